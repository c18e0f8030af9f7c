/* The protocol of drm, as package cluster has it, for spin. README.md says what is checked, what each switch
 * removes and what is left out.
 *
 * Terms: 0 is node A's, 1 is node B's, 2 is the next term under A's id (-DSAMEID: the same process that joins again, one
 * that was started again, or another one under that id) or the first of a node C. A term has K leases: the
 * node lease and its claim leases. Leases are numbered term * K + k; where one is named, 0 is none and l + 1 is lease l.
 *
 * Every step is atomic, and steps are interleaved freely; only the clock moves time. One revision is one change of the
 * control range. Runners stop at once where they must; how long a stop takes is the stop budget's affair. */

#ifndef TERMS
#define TERMS 2          /* how many terms there are */
#endif
#ifndef RES
#define RES 1            /* resources */
#endif
#ifndef K
#define K 2              /* leases of a term */
#endif
#ifndef TTL
#define TTL 3            /* ticks */
#endif
#ifndef MARGIN
#define MARGIN 1
#endif
#ifndef LONGER
#define LONGER 0         /* ticks that a claim lease outlives the node lease */
#endif
#ifndef ELECTION
#define ELECTION 1
#endif
#ifndef MAXREV
#define MAXREV 6         /* the nodes' keys are the first two */
#endif
#ifndef WAIT
#define WAIT 0           /* ticks for which what was deleted under a living node is not bid for */
#endif
#ifndef USEFUL
#define USEFUL 15        /* ticks without a proven view after which nothing is renewed */
#endif
#ifndef LATE
#define LATE 2           /* ticks after which a target is passed over */
#endif

/* How often each may happen. */
#ifndef CRASHES
#define CRASHES 0        /* a worker dies */
#endif
#ifndef TIMEOUTS
#define TIMEOUTS 0       /* a request is given up, and may be committed later or never */
#endif
#ifndef DOUBLES
#define DOUBLES 0        /* a request is committed once more, later */
#endif
#ifndef RELISTS
#define RELISTS 0        /* a watch is compacted away, and the node lists */
#endif
#ifndef LEADERS
#define LEADERS 0        /* the store elects another leader */
#endif
#ifndef FALSEACKS
#define FALSEACKS 0      /* a renewal is acked at the moment of the lease's expiry */
#endif
#ifndef DELETIONS
#define DELETIONS 0      /* an operator deletes a claim */
#endif
#ifndef RELEASES
#define RELEASES 0       /* a holder gives a claim back */
#endif
#ifndef LEAVES
#define LEAVES 0         /* a node marks itself as leaving */
#endif
#ifndef STICKS
#define STICKS 0         /* A's loop stops turning */
#endif
#ifndef MUTES
#define MUTES 0          /* nothing that A writes gets through any more */
#endif
#ifndef MOVES
#define MOVES 15         /* hand-offs begun; 15: as many as the revisions allow */
#endif

#define WINDOW (TTL - MARGIN)
#define NL (TERMS * K)
#define L(t, k) ((t) * K + (k))
#define TERMOF(l) ((l) / K)
#ifdef SAMEID
#define ID(t) ((t) == 2 -> 0 : (t))
#else
#define ID(t) (t)
#endif
#define C(n, r) ((n) * RES + (r))
#define N(n, id) ((n) * TERMS + (id))

/* A node's key: 0 is absent; else it names its term, its intake lease and whether it is leaving. */
#define KEY(t, intake, leaving) (1 + (t) * 4 + (intake) * 2 + (leaving))
#define KEYTERM(key) (((key) - 1) / 4)
#define KEYINTAKE(key) L(KEYTERM(key), (((key) - 1) / 2 % 2 == 1 -> ROTATED : INTAKE))
#define KEYLEAVING(key) (((key) - 1) % 2 == 1)
#define INTAKE (K - 1)
#define ROTATED 1        /* the next, which nothing has been put on before it is named */

#define NEW 0            /* phases of a term */
#define JOINING 1        /* has listed, has no key yet */
#define UP 2
#define OVER 3           /* runners have returned; its leases are being revoked */
#define DEAD 4           /* its process has ended */

#define BID 1            /* requests: put if there is no claim */
#define PUT 2            /* hand-off or rewrite: put if the claim is at the epoch */
#define DEL 3            /* release: delete if the claim is at the epoch */

/* The store. */
byte rev;
byte claim[RES];         /* the lease that the claim is on */
byte claimRev[RES];
byte key[TERMS];         /* by node id */
byte keyRev[TERMS];
bool alive[NL];
byte rem[NL];            /* ticks until a lease may expire */
byte logClaim[(MAXREV + 1) * RES];   /* per revision: 0 unchanged, 1 deleted, else the new content + 1 */
byte logKey[(MAXREV + 1) * TERMS];
byte stale;              /* ticks for which a deposed leader may still answer renewals */

/* Requests: one of each term that it waits for, and one that it has given up. */
byte qKind[2 * TERMS]; byte qLease[2 * TERMS]; byte qState[2 * TERMS];   /* 0 none, 1 sent, 2 answered */
byte qKeyOf[2 * TERMS]; byte qKeyRev[2 * TERMS];                         /* guard on a node's key: id + 1 */
byte qEpoch[2 * TERMS * RES];
bool qOn[2 * TERMS * RES];                                               /* resources in the batch */
byte qClaim[TERMS * RES]; byte qRev[TERMS * RES];                        /* what the answer tells of a claim */

/* What a term knows and does. */
byte phase[TERMS];
byte seen[TERMS];        /* revision up to which the watch has told */
byte age[TERMS];         /* ticks since the view was proven to be complete */
byte vClaim[TERMS * RES];  /* newest record known of a claim, by watch or answer */
byte vRev[TERMS * RES];
byte wClaim[TERMS * RES];  /* the same by the watch alone: what the plan goes by */
byte wait[TERMS * RES];    /* ticks of rest before it is bid for */
byte vKey[TERMS * TERMS];  /* nodes' keys by the watch */
byte vKeyRev[TERMS * TERMS];
byte trust[NL];          /* ticks */
bool lost[NL];
bool on[TERMS * RES];    /* a runner runs */
byte onLease[TERMS * RES];
byte epoch[TERMS * RES];
byte spent[TERMS * RES];
byte last[RES];          /* epoch of the last runner started */
#ifdef LATEACKS
byte ack[NL];            /* 0 none, 1 renewal sent, 2 processed */
byte ackAge[NL];
#endif
#ifdef LIVE
byte since[TERMS * RES]; /* ticks for which it has been seen unclaimed */
#endif
bool stuck; bool mute; bool meddled;
#ifdef LISTSAFTER
byte rest;
#endif
byte crashes = CRASHES; byte timeouts = TIMEOUTS; byte doubles = DOUBLES; byte relists = RELISTS; byte leaders = LEADERS;
byte falseAcks = FALSEACKS; byte deletions = DELETIONS; byte releases = RELEASES; byte leaves = LEAVES; byte moves = MOVES;
byte sticks = STICKS; byte mutes = MUTES;
hidden byte i; hidden byte j; hidden byte x; hidden byte y; hidden byte b;

/* ---- the rules, each with the switch that removes it ---- */

#ifdef NOLEASECHECK     /* mine is what names me, not what is on a lease of mine */
#define MINE(n, r) (vClaim[C(n, r)] != 0 && ID(TERMOF(vClaim[C(n, r)] - 1)) == ID(n))
#define LEASEGOOD(n, l) true
#elif defined(NOTERMCHECK)   /* an earlier term's lease is as good as mine */
#define MINE(n, r) (vClaim[C(n, r)] != 0 && ID(TERMOF(vClaim[C(n, r)] - 1)) == ID(n))
#define LEASEGOOD(n, l) (TERMOF(l) != (n) || trust[l] > 0 && !lost[l])
#else
#define MINE(n, r) (vClaim[C(n, r)] != 0 && TERMOF(vClaim[C(n, r)] - 1) == (n))
#ifdef NOTRUSTCHECK
#define LEASEGOOD(n, l) true
#elif defined(NODETRUST)
#define LEASEGOOD(n, l) (trust[L(n, 0)] > 0 && !lost[L(n, 0)])
#else
#define LEASEGOOD(n, l) (trust[l] > 0 && !lost[l])
#endif
#endif

#ifdef REUSE
#define UNSPENT(n, r) true
#else
#define UNSPENT(n, r) (vRev[C(n, r)] > spent[C(n, r)])
#endif
#ifdef RESURRECT
#define LOST(l) false
#else
#define LOST(l) lost[l]
#endif
#ifdef NOFRESH
#define FRESH(n) true
#else
#define FRESH(n) (age[n] <= USEFUL)
#endif
/* Is the node of a claim's lease there, by n's view? */
#ifdef ONLYSTAYING
#define LIVES(n, l) (vKey[N(n, ID(TERMOF(l)))] != 0 && KEYTERM(vKey[N(n, ID(TERMOF(l)))]) == TERMOF(l) && !KEYLEAVING(vKey[N(n, ID(TERMOF(l)))]))
#else
#define LIVES(n, l) (vKey[N(n, ID(TERMOF(l)))] != 0 && KEYTERM(vKey[N(n, ID(TERMOF(l)))]) == TERMOF(l))
#endif
#ifdef NOPROOF
#define PROVEN(t) (phase[t] >= OVER || phase[TERMS - 1] == JOINING && t == 0)
#else
#define PROVEN(t) (phase[t] >= OVER)
#endif
#ifdef ANYORDER
#define NODEFIRST(l) true
#else
#define NODEFIRST(l) ((l) % K == 0 || !alive[L(TERMOF(l), 0)])
#endif
#ifdef REVOKEFIRST
#define RETURNED(l) true
#else
#define RETURNED(l) (!b)
#endif
#ifdef NOREWRITE        /* what is spent stays so */
#define REWRITES false
#else
#define REWRITES true
#endif

/* ---- steps that others are made of ---- */

inline stop(n, r) { on[C(n, r)] = 0; onLease[C(n, r)] = 0; epoch[C(n, r)] = 0 }

inline start(n, r, e, l) {
  i = 0;
  do
  :: i < TERMS -> assert(!on[C(i, r)]); i++        /* promise 1: at most one */
  :: else -> break
  od;
  assert(e > last[r]);                             /* promise 4: epochs only grow, and are used once */
  last[r] = e; on[C(n, r)] = 1; epoch[C(n, r)] = e; onLease[C(n, r)] = l + 1
}

inline stopOn(l) {                                 /* every runner on a lease */
  j = 0;
  do
  :: j < RES ->
     if
#ifdef NODETRUST
     :: on[C(TERMOF(l), j)] && l % K == 0 -> stop(TERMOF(l), j)
#else
     :: on[C(TERMOF(l), j)] && (onLease[C(TERMOF(l), j)] == l + 1) -> stop(TERMOF(l), j)
#endif
     :: else
     fi; j++
  :: else -> break
  od
}

inline lose(l) { lost[l] = 1; trust[l] = 0; stopOn(l) }

inline kill(l) {                                   /* expiry or revocation: one revision, or none */
  b = 0; j = 0; alive[l] = 0; rem[l] = 0;
#ifdef LATEACKS
  if :: ack[l] == 1 -> ack[l] = 0; ackAge[l] = 0 :: else fi;
#endif
  do
  :: j < RES ->
     if
     :: claim[j] == l + 1 -> if :: !b -> b = 1; rev++ :: else fi;
        claim[j] = 0; claimRev[j] = 0; logClaim[rev * RES + j] = 1
     :: else
     fi; j++
  :: else -> break
  od;
  if
  :: l % K == 0 && key[ID(TERMOF(l))] != 0 && KEYTERM(key[ID(TERMOF(l))]) == TERMOF(l) ->
     if :: !b -> rev++ :: else fi;
     key[ID(TERMOF(l))] = 0; keyRev[ID(TERMOF(l))] = 0; logKey[rev * TERMS + ID(TERMOF(l))] = 1
  :: else
  fi; b = 0
}

inline putKey(id, content) { rev++; key[id] = content; keyRev[id] = rev; logKey[rev * TERMS + id] = key[id] + 1 }

inline forgetLog() {                               /* what all have seen */
  x = 1;
  do
  :: x <= rev ->
     b = 1; y = 0;
     do
     :: y < TERMS -> if :: phase[y] >= JOINING && phase[y] < OVER && seen[y] < x -> b = 0 :: else fi; y++
     :: else -> break
     od;
     if :: !b -> break :: else fi;
     y = 0; do :: y < RES -> logClaim[x * RES + y] = 0; y++ :: else -> break od;
     y = 0; do :: y < TERMS -> logKey[x * TERMS + y] = 0; y++ :: else -> break od;
     x++
  :: else -> break
  od; x = 0; y = 0; b = 0
}

inline endClaim(n, r) {                            /* the watch tells that a claim is gone */
  if
  :: wClaim[C(n, r)] != 0 && WAIT > 0 && LIVES(n, wClaim[C(n, r)] - 1) ->
     wait[C(n, r)] = WAIT;
#ifdef CALM
     assert(meddled)                               /* nobody waits after an orderly end or a death */
#endif
  :: else
  fi;
  wClaim[C(n, r)] = 0
}

inline settle(n) {                                 /* a deletion or foreign put of an own claim ends it at once */
  j = 0;
  do
  :: j < RES -> if :: on[C(n, j)] && vRev[C(n, j)] != epoch[C(n, j)] -> stop(n, j) :: else fi; j++
  :: else -> break
  od
}

inline fold(n) {                                   /* the next revision */
  seen[n]++; i = 0;
  do
  :: i < TERMS ->
     if
     :: logKey[seen[n] * TERMS + i] != 0 -> vKey[N(n, i)] = logKey[seen[n] * TERMS + i] - 1; vKeyRev[N(n, i)] = (vKey[N(n, i)] == 0 -> 0 : seen[n])
     :: else
     fi; i++
  :: else -> break
  od; i = 0;
  do
  :: i < RES ->
     x = logClaim[seen[n] * RES + i];
     if
     :: x == 0
     :: x == 1 -> endClaim(n, i)
     :: x > 1 -> wClaim[C(n, i)] = x - 1; wait[C(n, i)] = 0
     fi;
     if :: x != 0 && seen[n] > vRev[C(n, i)] -> vRev[C(n, i)] = seen[n]; vClaim[C(n, i)] = x - 1 :: else fi;
     i++
  :: else -> break
  od;
  settle(n); i = 0; j = 0; x = 0
}

inline list(n) {                                   /* all there is, and what is not there has been deleted */
  seen[n] = rev; age[n] = 0; i = 0;
  do
  :: i < TERMS -> vKey[N(n, i)] = key[i]; vKeyRev[N(n, i)] = keyRev[i]; i++
  :: else -> break
  od; i = 0;
  do
  :: i < RES ->
     if
     :: claim[i] == 0 -> endClaim(n, i);
        if :: vClaim[C(n, i)] != 0 -> vClaim[C(n, i)] = 0; vRev[C(n, i)] = rev :: else fi
     :: else ->
        wClaim[C(n, i)] = claim[i]; wait[C(n, i)] = 0;
        vClaim[C(n, i)] = claim[i]; vRev[C(n, i)] = claimRev[i]
     fi; i++
  :: else -> break
  od;
  settle(n); i = 0; j = 0
}

inline endTerm(n, how) {                           /* runners have returned; no ack counts from here */
  phase[n] = how; i = 0;
  do
  :: i < RES ->
#ifndef REVOKEFIRST
#ifdef ORPHANS
     if :: how != DEAD -> stop(n, i) :: else fi;
#else
     stop(n, i);
#endif
#endif
     vClaim[C(n, i)] = 0; vRev[C(n, i)] = 0; wClaim[C(n, i)] = 0; wait[C(n, i)] = 0; spent[C(n, i)] = 0;
#ifdef LIVE
     since[C(n, i)] = 0;
#endif
     i++
  :: else -> break
  od; i = 0;
  do
  :: i < K -> lost[L(n, i)] = 1; trust[L(n, i)] = 0;
#ifdef LATEACKS
     ack[L(n, i)] = 0; ackAge[L(n, i)] = 0;
#endif
     i++
  :: else -> break
  od; i = 0;
  do
  :: i < TERMS -> vKey[N(n, i)] = 0; vKeyRev[N(n, i)] = 0; i++
  :: else -> break
  od; i = 0; seen[n] = 0; age[n] = 0
}

inline clear(m) {
  qKind[m] = 0; qLease[m] = 0; qState[m] = 0; qKeyOf[m] = 0; qKeyRev[m] = 0; j = 0;
  do
  :: j < RES -> qEpoch[(m) * RES + j] = 0; qOn[(m) * RES + j] = 0; j++
  :: else -> break
  od; j = 0
}

inline giveUp(n) {                                 /* the outcome is unknown, and may be decided later */
  qKind[TERMS + n] = qKind[n]; qLease[TERMS + n] = qLease[n]; qState[TERMS + n] = 1;
  qKeyOf[TERMS + n] = qKeyOf[n]; qKeyRev[TERMS + n] = qKeyRev[n]; j = 0;
  do
  :: j < RES -> qEpoch[(TERMS + n) * RES + j] = qEpoch[C(n, j)]; qOn[(TERMS + n) * RES + j] = qOn[C(n, j)]; j++
  :: else -> break
  od; j = 0
}

/* ---- the store ---- */

#ifdef NOKEYGUARD       /* a hand-off asks only that the node's key is there */
#define KEYHOLDS(m) (qKeyOf[m] == 0 || key[qKeyOf[m] - 1] != 0)
#else
#define KEYHOLDS(m) (qKeyOf[m] == 0 || keyRev[qKeyOf[m] - 1] == qKeyRev[m])
#endif
#ifdef NOEPOCHGUARD
#define GUARDHOLDS(m, r) (claim[r] != 0)
#else
#define GUARDHOLDS(m, r) (claim[r] != 0 && claimRev[r] == qEpoch[(m) * RES + r])
#endif

#ifdef MIXED            /* the ops of a batch are on different leases */
#define OPLEASE(m, r) (qLease[m] + (qKind[m] == BID -> (r) : 0))
#define ACCEPTED(m) ((!qOn[(m) * RES] || alive[OPLEASE(m, 0) - 1]) && (!qOn[(m) * RES + 1] || alive[OPLEASE(m, 1) - 1]))
#else
#define OPLEASE(m, r) qLease[m]
#define ACCEPTED(m) alive[qLease[m] - 1]
#endif

#ifdef HOLE             /* what starts nothing is given one quota, however many leases it has */
#define GIVEN(l, on) (TERMOF(l) == TERMOF(on))
#else
#define GIVEN(l, on) ((l) == (on))
#endif

inline apply(m) {                                  /* each op succeeds alone; all guards come before any write */
  d_step {
    qState[m] == 1 && rev < MAXREV && !(mute && m % TERMS == 0) ->
    b = 0; i = 0;
    do
    :: i < RES ->
       if
       :: qOn[(m) * RES + i] && (qKind[m] == DEL || ACCEPTED(m)) && KEYHOLDS(m) &&
          (qKind[m] == BID && claim[i] == 0 || qKind[m] != BID && GUARDHOLDS(m, i)) ->
          if :: !b -> b = 1; rev++ :: else fi;
          claim[i] = (qKind[m] == DEL -> 0 : OPLEASE(m, i));
          claimRev[i] = (qKind[m] == DEL -> 0 : rev);
          logClaim[rev * RES + i] = claim[i] + 1
       :: qOn[(m) * RES + i] && qKind[m] != DEL && !ACCEPTED(m) ->
          assert(!alive[OPLEASE(m, i) - 1])        /* nothing is refused because another's lease is gone */
       :: else
       fi; i++
    :: else -> break
    od;
    if
    :: b && qKeyOf[m] != 0 ->                      /* what is handed over lands where the node looks for it */
       assert(key[qKeyOf[m] - 1] != 0 && !KEYLEAVING(key[qKeyOf[m] - 1]) && KEYINTAKE(key[qKeyOf[m] - 1]) == qLease[m] - 1);
#ifdef QUOTA
       x = 0; i = 0;
       do
       :: i < RES -> if :: claim[i] != 0 && GIVEN(claim[i] - 1, qLease[m] - 1) -> x++ :: else fi; i++
       :: else -> break
       od;
       assert(x <= QUOTA)                          /* nobody is given more than the credit it named */
#endif
    :: else
    fi;
    if
    :: m < TERMS -> qState[m] = 2; i = 0;
       do
       :: i < RES && qOn[C(m, i)] && (qKind[m] == DEL || ACCEPTED(m)) ->
          qClaim[C(m, i)] = claim[i]; qRev[C(m, i)] = (claim[i] == 0 -> rev : claimRev[i]); i++
       :: i < RES && !(qOn[C(m, i)] && (qKind[m] == DEL || ACCEPTED(m))) -> i++
       :: i >= RES -> break
       od
    :: else -> clear(m)
    fi;
    i = 0; j = 0; x = 0; b = 0
  }
}

inline expire(l) { d_step { alive[l] && rem[l] == 0 && rev < MAXREV -> kill(l) } }

inline revoke(l) {                                 /* by its term, its supervisor, or its node's next process */
  d_step {
    alive[l] && rev < MAXREV && (PROVEN(TERMOF(l)) && NODEFIRST(l) ||
      phase[TERMOF(l)] == UP && l % K != 0 && lost[l] && !lost[L(TERMOF(l), 0)]) -> kill(l); lost[l] = 1
  }
}

proctype store() {
end:
  do
  :: apply(0) :: apply(1) :: apply(TERMS) :: apply(TERMS + 1)
  :: expire(L(0, 0)) :: expire(L(0, 1)) :: expire(L(1, 0)) :: expire(L(1, 1))
  :: revoke(L(0, 0)) :: revoke(L(0, 1)) :: revoke(L(1, 0)) :: revoke(L(1, 1))
#if K > 2
  :: expire(L(0, 2)) :: expire(L(1, 2)) :: revoke(L(0, 2)) :: revoke(L(1, 2))
#endif
#if TERMS > 2
  :: apply(2) :: apply(TERMS + 2) :: expire(L(2, 0)) :: expire(L(2, 1)) :: revoke(L(2, 0)) :: revoke(L(2, 1))
#if K > 2
  :: expire(L(2, 2)) :: revoke(L(2, 2))
#endif
#endif
  od
}

/* ---- time ---- */

#define FULL(l) (rem[l] == TTL + (l % K == 0 -> 0 : LONGER))
#define WELL(n) (phase[n] == UP && !((n) == 0 && (stuck || mute)))
#ifdef LIVE             /* what is well is quicker than the clock */
#define QUIET(n) (!WELL(n) || seen[n] == rev && age[n] == 0 && qState[n] == 0 && FULL(L(n, 0)) && (FULL(L(n, 1)) || lost[L(n, 1)]))
#define TURN (QUIET(0) && QUIET(1))
#elif defined(CALM)     /* what has expired goes before time goes on */
#define TURN (!(alive[0] && rem[0] == 0) && !(alive[1] && rem[1] == 0) && !(alive[2] && rem[2] == 0) && !(alive[3] && rem[3] == 0))
#else
#define TURN true
#endif

proctype clock() {
end:
  do
  :: d_step {
       TURN ->
       i = 0;
       do
#ifdef LATEACKS         /* only claim leases matter: node leases are renewed in time */
       :: i < NL && i % K == 0 -> i++
       :: i < NL && i % K != 0 ->
#else
       :: i < NL ->
#endif
          if :: rem[i] > 0 -> rem[i]-- :: else fi;
#ifdef LATEACKS
          if
          :: ack[i] != 0 && ackAge[i] < TTL -> ackAge[i]++;
#ifndef ANCHORATREPLY
             if :: ackAge[i] >= WINDOW -> ack[i] = 0; ackAge[i] = 0 :: else fi      /* too late to be of use */
#endif
          :: else
          fi;
#endif
          if
          :: trust[i] > 0 -> trust[i]--;
             if
             :: trust[i] == 0 -> lose(i);
#if defined(LATEACKS) && !defined(RESURRECT)
                ack[i] = 0; ackAge[i] = 0
#endif
             :: else
             fi
          :: else
          fi; i++
       :: else -> break
       od; i = 0;
       do
       :: i < TERMS ->
#if USEFUL < 15
          if :: (phase[i] == UP || phase[i] == JOINING) && age[i] <= USEFUL -> age[i]++ :: else fi;
#endif
          j = 0;
          do
          :: j < RES ->
             if :: wait[C(i, j)] > 0 -> wait[C(i, j)]-- :: else fi;
#ifdef LIVE
             if :: phase[i] == UP && wClaim[C(i, j)] == 0 && wait[C(i, j)] == 0 && since[C(i, j)] < LATE -> since[C(i, j)]++
                :: wClaim[C(i, j)] != 0 -> since[C(i, j)] = 0
                :: else
             fi;
#endif
             j++
          :: else -> break
          od; i++
       :: else -> break
       od;
       if :: stale > 0 -> stale-- :: else fi;
#ifdef LISTSAFTER
       if :: rest > 0 -> rest-- :: else fi;
#endif
       i = 0; j = 0
     }
  od
}

#ifdef SETTLED          /* what is deleted by hand is a claim that all have seen, and no bid is on its way */
#define SENT(m) (qKind[m] == BID && qState[m] == 1)
#define BIDSENT (SENT(0) || SENT(1) || SENT((TERMS - 1)) || SENT(TERMS) || SENT((TERMS + 1)) || SENT((2 * TERMS - 1)))
#define KNOWS(n, r) (phase[n] == NEW || phase[n] >= OVER || TERMOF(claim[r] - 1) == n || wClaim[C(n, r)] == claim[r])
#define MAYDELETE(r) (!BIDSENT && KNOWS(0, r) && KNOWS(1, r) && KNOWS((TERMS - 1), r))
#else
#define MAYDELETE(r) true
#endif
#ifdef LISTSAFTER       /* nobody lists before the wait is over, counted from the deletion */
#define MAYLIST (!meddled || rest == 0)
#else
#define MAYLIST true
#endif
#ifdef ENDS
#define ENDING(n) (ENDS == 3 || (n) == ENDS)
#endif

/* ---- a term: its watch, its renewals, its loop ---- */

#define AWAKE(n) (!(stuck && (n) == 0))

proctype watch(byte n) {
end:
  do
  :: d_step { (phase[n] == UP || phase[n] == JOINING) && AWAKE(n) && seen[n] < rev -> fold(n); forgetLog() }
#if USEFUL < 15
  :: d_step { (phase[n] == UP || phase[n] == JOINING) && AWAKE(n) && seen[n] == rev && age[n] > 0 -> age[n] = 0 }
#endif
#if RELISTS > 0
  :: d_step { (phase[n] == UP || phase[n] == JOINING) && seen[n] + 1 < rev && relists > 0 -> relists--; list(n); forgetLog() }
#endif
  od
}

#ifdef LATEACKS
inline renew(n, k) {
  d_step { phase[n] == UP && FRESH(n) && ack[L(n, k)] == 0 && !LOST(L(n, k)) && trust[L(n, k)] < WINDOW && alive[L(n, k)] -> ack[L(n, k)] = 1; ackAge[L(n, k)] = 0 }
}
inline process(n, k) {                             /* by the leader, now or later */
  d_step { ack[L(n, k)] == 1 && alive[L(n, k)] && rem[L(n, k)] > 0 -> ack[L(n, k)] = 2; rem[L(n, k)] = TTL + (k == 0 -> 0 : LONGER) }
}
inline misprocess(n, k) {                          /* by a leader that was deposed, or at the moment of expiry (etcd#14758) */
  d_step {
    ack[L(n, k)] == 1 && (stale > 0 || alive[L(n, k)] && rem[L(n, k)] == 0 && falseAcks > 0) ->
    if :: stale > 0 :: else -> falseAcks-- fi;
    ack[L(n, k)] = 2
  }
}
inline acked(n, k) {
  d_step {
    ack[L(n, k)] == 2 && phase[n] == UP ->
#ifdef ANCHORATREPLY
    trust[L(n, k)] = WINDOW;
#else
    if :: ackAge[L(n, k)] < WINDOW && WINDOW - ackAge[L(n, k)] > trust[L(n, k)] -> trust[L(n, k)] = WINDOW - ackAge[L(n, k)] :: else fi;
#endif
#ifdef RESURRECT
    if :: trust[L(n, k)] > 0 -> lost[L(n, k)] = 0 :: else fi;
#endif
    ack[L(n, k)] = 0; ackAge[L(n, k)] = 0
  }
}
#else
inline renewed(l) {
  if
  :: alive[l] && rem[l] > 0 && trust[l] > 0 -> rem[l] = TTL + (l % K == 0 -> 0 : LONGER); trust[l] = WINDOW
  :: !alive[l] && !lost[l] -> lose(l)
  :: else
  fi
}
#endif

proctype renewals(byte n) {
end:
  do
#ifdef LATEACKS
  :: renew(n, 1) :: process(n, 1) :: misprocess(n, 1) :: acked(n, 1)
#elif defined(PERLEASE)
  :: d_step { phase[n] == UP && FRESH(n) && !FULL(L(n, 0)) -> renewed(L(n, 0)) }
  :: d_step { phase[n] == UP && FRESH(n) && !FULL(L(n, 1)) -> renewed(L(n, 1)) }
#if K > 2
  :: d_step { phase[n] == UP && FRESH(n) && !FULL(L(n, 2)) -> renewed(L(n, 2)) }
#endif
#else
  :: d_step { phase[n] == UP && FRESH(n) && (!FULL(L(n, 0)) && !lost[L(n, 0)] || !FULL(L(n, 1)) && !lost[L(n, 1)]) ->
       renewed(L(n, 0)); renewed(L(n, 1));
#if K > 2
       renewed(L(n, 2));
#endif
       j = 0
     }
#endif
  od
}

/* Is it n's turn to bid? The first that stays is the target; others bid when it is late. */
#ifdef LIVE
#ifdef NOPASSING
#define MYTURN(n, r) (n == 0 || vKey[N(n, 0)] == 0 || KEYLEAVING(vKey[N(n, 0)]))
#else
#define MYTURN(n, r) (n == 0 || vKey[N(n, 0)] == 0 || KEYLEAVING(vKey[N(n, 0)]) || since[C(n, r)] >= LATE)
#endif
#else
#define MYTURN(n, r) true
#endif
#define FREE(n, r) (wClaim[C(n, r)] == 0 && vClaim[C(n, r)] == 0 && wait[C(n, r)] == 0 && MYTURN(n, r))
#define IDLE(n) (phase[n] == UP && AWAKE(n) && qState[n] == 0 && rev < MAXREV)
#define HELD(n, r) (MINE(n, r) && !lost[vClaim[C(n, r)] - 1])
#ifdef ROTATE           /* own bids go on what is not for others: A's on its claim lease, B's on what was its intake */
#define FOROWN(n, k) ((n) == 0 && (k) == ROTATED || (n) == 1 && (k) == INTAKE && vKey[N(n, n)] != 0 && KEYINTAKE(vKey[N(n, n)]) == L(n, ROTATED))
#else
#define FOROWN(n, k) true
#endif
#define ROOM(n, k) (FOROWN(n, k) && alive[L(n, k)] && !lost[L(n, k)] && trust[L(n, k)] > 0)
#define TARGETKEY(n, t) vKey[N(n, ID(t))]
#define MAYTAKE(n, t) (n != t && ID(n) != ID(t) && TARGETKEY(n, t) != 0 && KEYTERM(TARGETKEY(n, t)) == t && !KEYLEAVING(TARGETKEY(n, t)))

#ifdef HOLE             /* B takes claims and starts none of them */
#define STARTS(n) ((n) != 1)
#else
#define STARTS(n) true
#endif

inline begin(n, r) {
  d_step {
    phase[n] == UP && AWAKE(n) && STARTS(n) && !on[C(n, r)] && MINE(n, r) && LEASEGOOD(n, (vClaim[C(n, r)] - 1)) && UNSPENT(n, r) ->
    spent[C(n, r)] = vRev[C(n, r)];                /* one run per epoch */
    x = vClaim[C(n, r)] - 1;
    start(n, r, vRev[C(n, r)], x); i = 0; x = 0
  }
}

inline bid(n, k, first, count) {                   /* for one resource, or for two in one batch */
  d_step {
    IDLE(n) && ROOM(n, k) && FREE(n, first) && (count == 1 || FREE(n, (first + 1))) ->
    qKind[n] = BID; qLease[n] = L(n, k) + 1; qState[n] = 1; qOn[C(n, first)] = 1;
    if :: count > 1 -> qOn[C(n, first + 1)] = 1 :: else fi
  }
}

#ifdef STOPLATER        /* stop first */
#define STOPPED(n, r)
#else
#define STOPPED(n, r) if :: on[C(n, r)] -> stop(n, r) :: else fi;
#endif
#ifdef REUSE
#define SPEND(n, r)
#else
#define SPEND(n, r) if :: vRev[C(n, r)] > spent[C(n, r)] -> spent[C(n, r)] = vRev[C(n, r)] :: else fi;
#endif

#if defined(QUOTA) && !defined(NOCREDIT)  /* what the watch has told, and what was sent and is not seen there yet */
#ifdef FORGETSENT       /* what was sent counts only until it is answered */
#define SENTTO(n, r, t) false
#else
#define SENTTO(n, r, t) (vClaim[C(n, r)] == KEYINTAKE(TARGETKEY(n, t)) + 1)
#endif
#define ONINTAKE(n, r, t) (wClaim[C(n, r)] == KEYINTAKE(TARGETKEY(n, t)) + 1 || SENTTO(n, r, t) -> 1 : 0)
#define CREDIT(n, t, count) (count + ONINTAKE(n, 0, t) + ONINTAKE(n, (RES - 1), t) <= QUOTA)
#else
#define CREDIT(n, t, count) true
#endif

inline handOff(n, t, first, count) {
  d_step {
    IDLE(n) && STARTS(n) && moves > 0 && MAYTAKE(n, t) && HELD(n, first) && (count == 1 || HELD(n, (first + 1))) && CREDIT(n, t, count) ->
    if :: moves < 15 -> moves-- :: else fi;
    STOPPED(n, first) SPEND(n, first)
    qEpoch[C(n, first)] = vRev[C(n, first)]; qOn[C(n, first)] = 1;
    if
    :: count > 1 -> STOPPED(n, first + 1) SPEND(n, first + 1) qEpoch[C(n, first + 1)] = vRev[C(n, first + 1)]; qOn[C(n, first + 1)] = 1
    :: else
    fi;
    qKind[n] = PUT; qState[n] = 1; qLease[n] = KEYINTAKE(TARGETKEY(n, t)) + 1;
    qKeyOf[n] = ID(t) + 1; qKeyRev[n] = vKeyRev[N(n, ID(t))]
  }
}

inline rewrite(n, r, k) {
  d_step {
    REWRITES && IDLE(n) && HELD(n, r) && !on[C(n, r)] && !(UNSPENT(n, r)) && ROOM(n, k) ->
    qKind[n] = PUT; qLease[n] = L(n, k) + 1; qState[n] = 1; qEpoch[C(n, r)] = vRev[C(n, r)]; qOn[C(n, r)] = 1
  }
}

inline release(n, r) {
  d_step {
    IDLE(n) && releases > 0 && HELD(n, r) -> releases--; meddled = 1;
    STOPPED(n, r) SPEND(n, r)
    qKind[n] = DEL; qState[n] = 1; qEpoch[C(n, r)] = vRev[C(n, r)]; qOn[C(n, r)] = 1
  }
}

inline takeAnswer(n) {                             /* per key the highest revision wins */
  d_step {
    qState[n] == 2 && AWAKE(n) ->
    i = 0;
    do
    :: i < RES ->
#ifdef ANSWERWINS
       if :: phase[n] == UP && qRev[C(n, i)] != 0 && qClaim[C(n, i)] != 0 -> vClaim[C(n, i)] = qClaim[C(n, i)]; vRev[C(n, i)] = qRev[C(n, i)] :: else fi;
#else
       if :: phase[n] == UP && qRev[C(n, i)] > vRev[C(n, i)] && qRev[C(n, i)] > seen[n] -> vClaim[C(n, i)] = qClaim[C(n, i)]; vRev[C(n, i)] = qRev[C(n, i)] :: else fi;
#endif
       qClaim[C(n, i)] = 0; qRev[C(n, i)] = 0; i++
    :: else -> break
    od;
    settle(n); clear(n); i = 0; j = 0
  }
}

#define OWNKEY(n) (phase[n] == UP && key[ID(n)] != 0 && KEYTERM(key[ID(n)]) == n && vKeyRev[N(n, ID(n))] == keyRev[ID(n)])

/* B names its next intake lease when the one it has is used up, and what came on it runs. */
#ifdef ROTATE
#define ONIT(n, r) (MINE(n, r) && vClaim[C(n, r)] == L(n, INTAKE) + 1)
#ifdef ANYROTATION      /* it is enough that it is used up */
#define UNSTARTED(n) false
#else
#define UNSTARTED(n) (ONIT(n, 0) && !on[C(n, 0)] || ONIT(n, 1) && !on[C(n, 1)])
#endif
#define USEDUP(n) (wClaim[C(n, 0)] == L(n, INTAKE) + 1 || wClaim[C(n, 1)] == L(n, INTAKE) + 1)
#endif

inline create(n) {
  d_step {
    phase[n] == JOINING && rev < MAXREV &&
#ifdef OVERWRITE
    true
#else
    vKey[N(n, ID(n))] == 0 && key[ID(n)] == 0
#endif
    ->
#ifdef SAMEID
    i = 0;
    do
    :: i < RES -> assert(!on[C(0, i)]); i++        /* nothing of an earlier term under this id is left running */
    :: else -> break
    od; i = 0;
#endif
    do
    :: i < K -> alive[L(n, i)] = 1; rem[L(n, i)] = TTL + (i == 0 -> 0 : LONGER); trust[L(n, i)] = WINDOW; lost[L(n, i)] = 0; i++
    :: else -> break
    od; i = 0;
    phase[n] = UP; putKey(ID(n), KEY(n, 0, 0))
  }
}

proctype loop(byte n) {
end:
  do
  :: begin(n, 0) :: takeAnswer(n) :: bid(n, 1, 0, 1) :: rewrite(n, 0, 1)
  :: handOff(n, 0, 0, 1)
  :: handOff(n, 1, 0, 1)
#if RELEASES > 0
  :: release(n, 0)
#endif
#if K > 2
#if defined(ROTATE) || !defined(QUOTA)
  :: rewrite(n, 0, 2) :: bid(n, 2, 0, 1)
#endif
#endif
#if RES > 1
  :: begin(n, 1) :: bid(n, 1, 1, 1) :: bid(n, 1, 0, 2) :: rewrite(n, 1, 1)
  :: handOff(n, 0, 1, 1)
  :: handOff(n, 1, 1, 1)
  :: handOff(n, 0, 0, 2)
  :: handOff(n, 1, 0, 2)
#if RELEASES > 0
  :: release(n, 1)
#endif
#endif
#if TERMS > 2
  :: handOff(n, 2, 0, 1)
  :: d_step { n == 2 && phase[2] == NEW && MAYLIST -> phase[2] = JOINING; list(2); forgetLog() }
  :: create(n)
#endif
#if LEAVES > 0
  :: d_step { OWNKEY(n) && AWAKE(n) && leaves > 0 && rev < MAXREV && !KEYLEAVING(key[ID(n)]) -> leaves--; putKey(ID(n), key[ID(n)] + 1) }
#endif
#ifdef ROTATE
  :: d_step { n == 1 && OWNKEY(n) && AWAKE(n) && rev < MAXREV && KEYINTAKE(key[n]) == L(n, INTAKE) && USEDUP(n) && !UNSTARTED(n) -> putKey(n, KEY(n, 1, 0)) }
#endif
#ifdef ENDS             /* a term may end at any time: fenced, lost, restored, leaving */
  :: d_step { phase[n] == UP && AWAKE(n) && ENDING(n) -> endTerm(n, OVER); forgetLog() }
#else                   /* or when it must */
  :: d_step { phase[n] == UP && AWAKE(n) && (lost[L(n, 0)] || vKey[N(n, ID(n))] == 0 || KEYTERM(vKey[N(n, ID(n))]) != n) -> endTerm(n, OVER); forgetLog() }
#endif
#ifdef REVOKEFIRST
  :: d_step { phase[n] == OVER && on[C(n, 0)] -> stop(n, 0) }
#endif
  od
}

/* ---- what goes wrong ---- */


inline crash(n) {
  d_step {
    crashes > 0 && (phase[n] == UP || phase[n] == JOINING) -> crashes--;
    if :: qState[n] == 1 && qState[TERMS + n] == 0 -> giveUp(n) :: else fi;
    clear(n); i = 0;
    do :: i < RES -> qClaim[C(n, i)] = 0; qRev[C(n, i)] = 0; i++ :: else -> break od;
    endTerm(n, DEAD); forgetLog()
  }
}
inline timeOut(n) { d_step { qState[n] == 1 && qState[TERMS + n] == 0 && timeouts > 0 -> timeouts--; giveUp(n); clear(n) } }
inline double(n) { d_step { qState[n] == 1 && qState[TERMS + n] == 0 && doubles > 0 -> doubles--; giveUp(n) } }
inline neverCommit(n) { d_step { qState[TERMS + n] == 1 -> clear(TERMS + n) } }
inline deleteByHand(r) {
  d_step {
    deletions > 0 && claim[r] != 0 && rev < MAXREV && MAYDELETE(r) -> deletions--; meddled = 1;
#ifdef LISTSAFTER
    rest = WAIT;
#endif
    rev++; claim[r] = 0; claimRev[r] = 0; logClaim[rev * RES + r] = 1
  }
}

proctype faults() {
end:
  do
  :: false
#if CRASHES > 0
  :: crash(0)
#ifndef LIVE
  :: crash(1)
#endif
#endif
#if TIMEOUTS > 0
  :: timeOut(0) :: timeOut(1)
#endif
#if DOUBLES > 0
  :: double(0) :: double(1)
#endif
#if TIMEOUTS + DOUBLES + CRASHES > 0
  :: neverCommit(0) :: neverCommit(1)
#endif
#if DELETIONS > 0
  :: deleteByHand(0)
#endif
#if LEADERS > 0
  :: d_step { leaders > 0 -> leaders--; stale = 2 * ELECTION; i = 0;
       do :: i < NL -> if :: alive[i] -> rem[i] = TTL + ELECTION + (i % K == 0 -> 0 : LONGER) :: else fi; i++ :: else -> break od; i = 0 }
#endif
#if STICKS > 0
  :: d_step { sticks > 0 && phase[0] == UP -> sticks--; stuck = 1 }
#endif
#if MUTES > 0
  :: d_step { mutes > 0 && phase[0] == UP -> mutes--; mute = 1 }
  :: d_step { mute && qState[0] == 1 -> clear(0) }
#endif
  od
}

init {
  d_step {
    i = 0;
    do
    :: i < 2 ->
       phase[i] = UP; key[i] = KEY(i, 0, 0); keyRev[i] = i + 1; j = 0;
       do
       :: j < K -> alive[L(i, j)] = 1; rem[L(i, j)] = TTL + (j == 0 -> 0 : LONGER); trust[L(i, j)] = WINDOW; j++
       :: else -> break
       od;
       seen[i] = 2; vKey[N(i, 0)] = KEY(0, 0, 0); vKey[N(i, 1)] = KEY(1, 0, 0); vKeyRev[N(i, 0)] = 1; vKeyRev[N(i, 1)] = 2; i++
    :: else -> break
    od;
    rev = 2; i = 0; j = 0;
#ifdef ALONE            /* B has gone, and all know it */
    endTerm(1, DEAD); key[1] = 0; keyRev[1] = 0; vKey[N(0, 1)] = 0; vKeyRev[N(0, 1)] = 0;
    do :: j < K -> alive[L(1, j)] = 0; rem[L(1, j)] = 0; j++ :: else -> break od; j = 0
#endif
  }
  atomic {
    run store(); run clock(); run faults();
    run watch(0); run renewals(0); run loop(0);
    run watch(1); run renewals(1); run loop(1);
#if TERMS > 2
    run watch(2); run renewals(2); run loop(2)
#endif
  }
}

#ifdef LIVE             /* promise 5: what could be held is held, again and again */
ltl held { []<> (on[0] || on[1]) }
#endif
