package node

import (
	"fmt"
	"strings"
	"unicode"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
)

// near finds the node that a manifest that matches none was probably meant for.
type near struct {
	lives  []*kinds.Live
	stated map[string]kinds.Entry // manifests of nodes by hostname
	// guessed counts the names that were compared with every other name. It is limited, because a source can have
	// many of both.
	guessed int
}

// name says what a hostname that no node has was probably meant to be, and what to do.
func (n *near) name(name string) string {
	for _, l := range n.lives {
		if l.ID == name && l.Called != "" {
			return fmt.Sprintf("; that is the id of %s: a Node is named by its hostname, and spec.id states an id", l.Called)
		}
	}
	like := n.like(name)
	if like == "" {
		return "; docker node ls shows the hostnames that there are: join the node, correct the name, or remove the manifest"
	}
	return fmt.Sprintf("; did you mean %s? A Node is named by its hostname as docker node ls shows it", like)
}

// like returns the hostname of a node that differs only in case, has another domain or none, or is one slip away.
func (n *near) like(name string) string {
	best, domain := "", ""
	for _, l := range n.lives {
		switch {
		case l.Called == "":
		case strings.EqualFold(l.Called, name):
			best = first(best, l.Called)
		case otherDomain(l.Called, name):
			domain = first(domain, l.Called)
		}
	}
	if best != "" || domain != "" {
		if best == "" {
			best = domain
		}
		return best
	}
	const most = 20
	if n.guessed++; n.guessed > most {
		return ""
	}
	var others []string
	for _, l := range n.lives {
		// A node with a manifest of its own is not meant. Nor is a node that differs only in its number, because that
		// is the next one.
		if _, has := n.stated[l.Called]; l.Called != "" && !has && letters(l.Called) != letters(name) {
			others = append(others, l.Called)
		}
	}
	return v1.Nearest(name, others)
}

// first returns the first of two names in their order. "" counts as no name.
func first(a, b string) string {
	if a == "" || b < a {
		return b
	}
	return a
}

// otherDomain reports whether two names differ only in their domain, which one of them may lack. Addresses have no
// domain.
func otherDomain(a, b string) bool {
	shortA, _, _ := strings.Cut(a, ".")
	shortB, _, _ := strings.Cut(b, ".")
	return strings.EqualFold(shortA, shortB) && letters(shortA) != ""
}

func letters(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsDigit(r) {
			return -1
		}
		return r
	}, s)
}

// ofID explains why no node with the hostname has the id that the manifest states. It says which hostname the node with
// that id has, or which ids the nodes with that hostname have.
func (n *near) ofID(h host) string {
	for _, l := range n.lives {
		if l.ID == h.own.Spec.ID && l.Called != "" {
			return fmt.Sprintf("; that node's hostname is %s", l.Called)
		}
	}
	if len(h.lives) > 0 {
		return fmt.Sprintf("; of this hostname there is %s", ids(h.lives))
	}
	return n.name(h.name)
}
