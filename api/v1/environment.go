package v1

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/swarm-operator/swarm-operator/redact"
)

// Hidden replaces a value that must not be shown.
const Hidden = redact.Hidden

// NoValue is the value of a variable that is stated without one: the container does not get the variable, even if the
// image has it. No other value may hold a NUL byte.
const NoValue = "\x00(no value)"

// Environment maps names to values. When it is printed or marshalled, only values that anybody may see are shown.
type Environment map[string]string

// SetList reads the list form, NAME=value, or NAME alone for NoValue. Manifests never see the operator's own environment.
func (e *Environment) SetList(items []string) error {
	out := make(Environment, len(items))
	for i, item := range items {
		name, value, ok := strings.Cut(item, "=")
		switch {
		case !ok && plainWord(name):
			value = NoValue
		case !ok: // do not repeat the text: it may be NAME: SECRET
			return fmt.Errorf("entry %d is neither NAME=value nor a NAME", i+1)
		case name == "":
			return fmt.Errorf("an entry has no name before =")
		}
		if _, twice := out[name]; twice {
			return fmt.Errorf("%s is stated twice", name)
		}
		out[name] = value
	}
	*e = out
	return nil
}

// SetNull gives a name NoValue.
func (e Environment) SetNull(name string) { e[name] = NoValue }

func (e Environment) redacted() map[string]string {
	out := make(map[string]string, len(e))
	for k, v := range e {
		if v == NoValue {
			out[k] = "(no value)"
			continue
		}
		out[k], _ = redact.Value(k, v, false)
	}
	return out
}

// String returns the map with its values hidden, except harmless ones.
func (e Environment) String() string { return fmt.Sprint(e.redacted()) }

// GoString does the same.
func (e Environment) GoString() string { return e.String() }

// MarshalJSON does the same. Manifests are never written from it.
func (e Environment) MarshalJSON() ([]byte, error) { return json.Marshal(e.redacted()) }

// SecretName reports whether a variable, option or label of that name is assumed to hold a secret.
func SecretName(name string) bool { return redact.SecretName(name) }

// SecretText reports whether a text holds something that has the shape of a secret, such as a URL with a password.
func SecretText(text string) bool { return redact.Shape(text) }

// CheckShown says what is wrong with a pattern of names whose values may be shown, or returns "".
func CheckShown(pattern string) string { return redact.CheckPattern(pattern) }

// Scrub hides what has the shape of a secret in a text that is about to be shown.
func Scrub(text string) string { return redact.Text(text) }

// Content is the data of a config or secret. It cannot be printed or marshalled; only Reveal returns it.
type Content struct{ data []byte }

// NewContent wraps data. The caller must not use data afterwards.
func NewContent(data []byte) Content { return Content{data} }

// SetScalar takes the text as it is. It fails if the scalar is not a string.
func (c *Content) SetScalar(s Scalar) error {
	var text string
	if err := setString(&text, s); err != nil {
		return fmt.Errorf("the content must be a string; quote it") // the message says nothing about the text
	}
	c.data = []byte(text)
	return nil
}

// Reveal returns the data itself, for the engine and for hashing.
func (c Content) Reveal() []byte { return c.data }

// Len returns the size in bytes.
func (c Content) Len() int { return len(c.data) }

// IsZero reports whether no content is stated.
func (c Content) IsZero() bool { return c.data == nil }

// String returns Hidden.
func (c Content) String() string { return Hidden }

// GoString returns Hidden.
func (c Content) GoString() string { return Hidden }

// Format writes Hidden, whatever the verb.
func (c Content) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(Hidden)) }

// MarshalJSON renders Hidden.
func (c Content) MarshalJSON() ([]byte, error) { return json.Marshal(Hidden) }

// ExtraHosts are lines for /etc/hosts, each host:address. In normal form they are sorted.
type ExtraHosts []string

// SetMap reads the map form.
func (h *ExtraHosts) SetMap(m map[string]string) error {
	for host, address := range m {
		*h = append(*h, host+":"+address)
	}
	slices.Sort(*h)
	return nil
}

func setString(to *string, s Scalar) error {
	if s.Tag != "!!str" {
		return fmt.Errorf("%s is not a string; quote it", s.Text)
	}
	*to = s.Text
	return nil
}
