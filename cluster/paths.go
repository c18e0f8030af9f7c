package cluster

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// Paths are keys below the prefix. What planning needs lies between ControlFirst and ControlEnd, so that one
// watch gives a consistent view in revision order; the other families (asks, state, status, topics) sort outside it.
const (
	ControlFirst = "claims/"
	ControlEnd   = "resources0"

	families   = "claims cordons nodes resources"
	maxIDBytes = 256
)

// ResourcePath is where the spec of a resource lies.
func ResourcePath(k Key) string { return "resources/" + k.Kind + "/" + k.ID }

// ClaimPath is where the claim on a resource lies.
func ClaimPath(k Key) string { return "claims/" + k.Kind + "/" + k.ID }

// StatusPath is where the holder tells of trouble with a resource; absent while all is well.
func StatusPath(k Key) string { return "status/" + k.Kind + "/" + k.ID }

// StatePath is where the holder keeps what must survive it, such as a cursor, guarded by the claim's epoch.
func StatePath(k Key, name string) string { return "state/" + k.Kind + "/" + k.ID + "/" + name }

// AskPath is where an operator asks the holder of a resource to do something; the holder deletes it when it is done.
func AskPath(k Key, name string) string { return "asks/" + k.Kind + "/" + k.ID + "/" + name }

// NodePath is where a node tells of itself.
func NodePath(node string) string { return "nodes/" + node }

// CordonPath is where an operator says that a node is to be given nothing.
func CordonPath(node string) string { return "cordons/" + node }

// Place is a path of the control range taken apart. Node is set for nodes and cordons, Key for the others.
type Place struct {
	Family string // claims, cordons, nodes or resources
	Node   string
	Key    Key
}

// ErrForeign tells of a path in the control range that is no family of drm's.
var ErrForeign = errors.New("not a key of drm")

// ParsePath takes a path of the control range apart. The error says what is wrong with a malformed one,
// ErrForeign if it belongs to nothing we know.
func ParsePath(path string) (Place, error) {
	family, rest, ok := strings.Cut(path, "/")
	if !ok || !strings.Contains(families, family) {
		return Place{}, ErrForeign
	}
	switch family {
	case "nodes", "cordons":
		return Place{Family: family, Node: rest}, CheckID(rest)
	case "claims", "resources":
		kind, id, ok := strings.Cut(rest, "/")
		if !ok {
			return Place{}, fmt.Errorf("read key %q: want %s/<kind>/<id>", path, family)
		}
		if err := CheckID(kind); err != nil {
			return Place{}, err
		}
		return Place{Family: family, Key: Key{Kind: kind, ID: id}}, CheckID(id)
	}
	return Place{}, ErrForeign
}

// CheckID says what is wrong with an id of a resource or a node, or with a kind. An id is 1 to 256 bytes of
// letters, digits and . _ - ~ : @ + = and is neither . nor .. .
func CheckID(id string) error {
	switch {
	case id == "":
		return errors.New("read id: it is empty")
	case len(id) > maxIDBytes:
		return fmt.Errorf("read id: it has %d bytes; %d is the most", len(id), maxIDBytes)
	case !utf8.ValidString(id):
		return fmt.Errorf("read id %q: it is not valid UTF-8", id)
	case id == "." || id == "..":
		return fmt.Errorf("read id %q: it would be lost in a path", id)
	}
	for _, r := range id {
		if !idRune(r) {
			return fmt.Errorf("read id %q: %q is not allowed; use letters, digits and . _ - ~ : @ + =", id, r)
		}
	}
	return nil
}

func idRune(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("._-~:@+=", r)
}
