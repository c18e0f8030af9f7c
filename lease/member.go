package lease

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/metadata"
)

// member is one endpoint: a connection each for keepalives, watches and requests, so that neither a long listing nor
// a burst of events delays a renewal, and the login that they share. The etcd client's own balancer isn't used
// because it goes on asking a member that is frozen.
type member struct {
	index    int
	endpoint string
	login    *login

	keepalives, watches, requests *grpc.ClientConn

	mu     sync.Mutex
	stream *stream // of keepalives; nil before the first and after a failure
}

func newMember(cfg Config, index int, tls credentials.TransportCredentials) (*member, error) {
	to, err := cfg.parse(cfg.Endpoints[index])
	if err != nil {
		return nil, err
	}
	if !to.secure {
		tls = insecure.NewCredentials()
	}
	// gRPC would wait up to two minutes before it tries a dead member again.
	again := backoff.Config{BaseDelay: 100 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: 2 * time.Second}
	options := []grpc.DialOption{
		grpc.WithTransportCredentials(tls),
		grpc.WithConnectParams(grpc.ConnectParams{Backoff: again, MinConnectTimeout: cfg.DialTimeout}),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: cfg.PingEvery, Timeout: cfg.PingTimeout}),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(1<<31 - 1)),
		grpc.WithDisableServiceConfig(),
	}
	m := &member{index: index, endpoint: cfg.Endpoints[index]}
	for _, conn := range []**grpc.ClientConn{&m.keepalives, &m.watches, &m.requests} {
		if *conn, err = grpc.NewClient("dns:///"+to.address, options...); err != nil {
			return nil, errors.Join(fmt.Errorf("connect to %s: %w", m.endpoint, err), m.close())
		}
	}
	m.login = newLogin(cfg, pb.NewAuthClient(m.requests))
	return m, nil
}

func (m *member) close() error {
	var errs []error
	for _, conn := range []*grpc.ClientConn{m.keepalives, m.watches, m.requests} {
		if conn != nil {
			errs = append(errs, conn.Close())
		}
	}
	return errors.Join(errs...)
}

// call does one unary request with a valid token: a request with a refused one wasn't looked at, so it is sent
// again after a new login. It asks that the member knows a leader, so that one which is cut off says so at once.
func (m *member) call(ctx context.Context, do func(context.Context) error) error {
	for again := false; ; again = true {
		token, err := m.login.token(ctx)
		if err != nil {
			return err
		}
		err = rpctypes.Error(do(signed(ctx, token)))
		if !tokenRefused(err) || again {
			return err
		}
		m.login.drop(token)
	}
}

// signed adds to a request what etcd wants to know of it.
func signed(ctx context.Context, token string) context.Context {
	ctx = metadata.AppendToOutgoingContext(ctx, rpctypes.MetadataRequireLeaderKey, rpctypes.MetadataHasLeader)
	return withToken(ctx, token)
}

func withToken(ctx context.Context, token string) context.Context {
	if token == "" {
		return ctx
	}
	return metadata.AppendToOutgoingContext(ctx, rpctypes.TokenFieldNameGRPC, token)
}

// connected waits while a connection is being made, and tells whether there is one.
func connected(ctx context.Context, conn *grpc.ClientConn) bool {
	for {
		state := conn.GetState()
		switch state {
		case connectivity.Ready:
			return true
		case connectivity.TransientFailure, connectivity.Shutdown:
			return false
		case connectivity.Idle:
			conn.Connect()
		}
		if !conn.WaitForStateChange(ctx, state) {
			return false
		}
	}
}

// login holds the token of one member. Tokens are kept because a login costs etcd a password hash and a
// consensus round, and etcd's simple tokens expire by the member.
type login struct {
	user, password string
	auth           pb.AuthClient
	observe        func(op string, took time.Duration, err error)

	turn  chan struct{} // full while somebody logs in; a mutex that respects contexts
	mu    sync.Mutex
	value string
	valid bool
}

func newLogin(cfg Config, auth pb.AuthClient) *login {
	return &login{user: cfg.User, password: cfg.Password, auth: auth, observe: cfg.Observe, turn: make(chan struct{}, 1)}
}

// token returns the token to use, "" when none is needed. It logs in when there is none.
func (l *login) token(ctx context.Context) (string, error) {
	if l.user == "" {
		return "", nil
	}
	if value, valid := l.current(); valid {
		return value, nil
	}
	select {
	case l.turn <- struct{}{}:
		defer func() { <-l.turn }()
	case <-ctx.Done():
		return "", ctx.Err()
	}
	if value, valid := l.current(); valid {
		return value, nil
	}
	began := time.Now()
	answer, err := l.auth.Authenticate(ctx, &pb.AuthenticateRequest{Name: l.user, Password: l.password})
	err = rpctypes.Error(err)
	if errors.Is(err, rpctypes.ErrAuthNotEnabled) {
		answer, err = &pb.AuthenticateResponse{}, nil
	}
	l.observe("auth", time.Since(began), err)
	if err != nil {
		return "", err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.value, l.valid = answer.Token, true
	return l.value, nil
}

func (l *login) current() (string, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.value, l.valid
}

// drop forgets a token that was refused, unless it has been replaced already.
func (l *login) drop(token string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.value == token {
		l.valid = false
	}
}
