package diff

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/redact"
)

// Value is one side of a difference. It shows itself as anybody may see it. InGit returns it for a reader who has the
// source's tree.
type Value struct {
	text string
	key  string
	form valueForm
	set  bool
	// never is true for a value that is not shown even on demand.
	never bool
	// stated is true if the value stands in clear in the source's tree.
	stated bool
	// beside is the value of git's side. The arguments of a live command that stand there may be shown.
	beside string
	// inGit is true if the reader has the source's tree.
	inGit bool
}

type valueForm uint8

const (
	plainForm  valueForm = iota
	freeForm             // the value of a variable, option or label
	wordsForm            // a command, as a list in JSON
	numberForm           // the value of a kernel parameter, which is no secret
)

// wordTypes are the leaves that hold a command, or options as a command has them.
var wordTypes = map[string]bool{"spec.command": true, "spec.entrypoint": true, "spec.healthcheck.test": true, "spec.accessMode.mountFlags": true}

// numbers matches the values of most kernel parameters, as in 4096 87380 6291456. Keys and secrets among them have names
// that say so.
var numbers = regexp.MustCompile(`^-?[0-9]{1,12}(?:[ \t,-][0-9]{1,12}){0,7}$`)

// valueOf returns the value of a leaf. git is true if the leaf's text stands in clear in the source's tree.
func valueOf(l Leaf, git bool) Value {
	v := Value{text: l.Text, key: l.Key, set: true, stated: git}
	switch {
	case l.Type == "spec.sysctls.*" && numbers.MatchString(l.Text) && !strings.HasSuffix(l.Key, "key") && !strings.Contains(l.Key, "secret"):
		v.form = numberForm
	case l.Key != "" || strings.HasSuffix(l.Type, ".*"):
		v.form = freeForm
	case wordTypes[l.Type]:
		v.form = wordsForm
	}
	return v
}

// NewValue returns a value that shows text.
func NewValue(text string) Value { return Value{text: text, set: true} }

// HiddenValue returns a value that exists and is never shown, not even on demand.
func HiddenValue() Value { return Value{set: true, never: true} }

// Set reports whether there is a value at all.
func (v Value) Set() bool { return v.set }

// Hidden reports whether the value, or a part of it, is not shown.
func (v Value) Hidden() bool { return v.set && strings.Contains(v.String(), v1.Hidden) }

// Reveal returns the text even if it is hidden. Use it only for a terminal whose user asked, never for logs or
// reports.
func (v Value) Reveal() string { return v.text }

// InGit returns the value for a reader who has the source's tree: of diff and validate, but not of HTTP or of a log.
func (v Value) InGit() Value {
	v.inGit = true
	return v
}

// Public returns the value for anybody.
func (v Value) Public() Value {
	v.inGit = false
	return v
}

func (v Value) String() string {
	switch {
	case !v.set:
		return "(none)"
	case v.never:
		return v1.Hidden
	}
	shown, _ := v.shown()
	return shown
}

// shown returns what may be shown, and what is hidden of it.
func (v Value) shown() (text string, hidden []string) {
	switch v.form {
	case freeForm:
		if v.text == v1.NoValue {
			return "(no value)", nil
		}
		return redact.Value(v.key, v.text, v.inGit && v.stated)
	case wordsForm:
		return v.words()
	}
	return redact.Text(v.text), nil
}

func (v Value) words() (text string, hidden []string) {
	words := list(v.text)
	if words == nil {
		return v1.Hidden, []string{v.text}
	}
	var git func(string) bool
	if v.inGit {
		beside := list(v.beside)
		git = func(w string) bool { return v.stated || slices.Contains(beside, w) }
	}
	words, hidden = redact.Words(words, git)
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(words) // strings can always be encoded
	return strings.TrimSuffix(b.String(), "\n"), hidden
}

// list returns the list that a leaf's text stands for, or nil if it is none.
func list(text string) (words []string) {
	if text == "" || json.Unmarshal([]byte(text), &words) != nil {
		return nil
	}
	return words
}

// Format shows no secret, whatever the verb.
func (v Value) Format(f fmt.State, verb rune) {
	if verb != 'q' {
		verb = 's'
	}
	_, _ = fmt.Fprintf(f, fmt.FormatString(f, verb), v.String())
}

// MarshalJSON writes null if there is no value. It shows no secret.
func (v Value) MarshalJSON() ([]byte, error) {
	if !v.set {
		return []byte("null"), nil
	}
	return json.Marshal(v.String())
}

// UnmarshalJSON reads what MarshalJSON writes. A value that was hidden stays hidden, and nobody can reveal it.
func (v *Value) UnmarshalJSON(data []byte) error {
	var text *string
	if err := json.Unmarshal(data, &text); err != nil {
		return err
	}
	switch {
	case text == nil:
		*v = Value{}
	case *text == v1.Hidden:
		*v = HiddenValue()
	default:
		*v = NewValue(*text)
	}
	return nil
}

// Arrow renders both sides of a difference on one line. If both sides would read the same because of what is hidden, it
// says that this changed. show decides how a value appears.
func Arrow(have, want Value, show func(Value) string) string {
	left, right := show(have), show(want)
	if left == right && strings.Contains(right, v1.Hidden) {
		right = strings.TrimPrefix(right, v1.Hidden)
		if right == "" {
			return Line(left) + " → (hidden, changed)"
		}
		return Line(left) + " → " + Line(show(want)) + " (hidden, changed)"
	}
	return Line(left) + " → " + Line(right)
}

// Line keeps a value on its line: it quotes a value that has control characters. It shows the whole value, because
// what is cut off may be what differs.
func Line(s string) string {
	if strings.ContainsFunc(s, unicode.IsControl) || redact.OneLine(s) != s {
		return fmt.Sprintf("%q", s)
	}
	return s
}

// Facts returns which texts of an object may be shown to whom. clear reports whether a leaf stands in clear in the
// source's tree. Fields of the spec that are the same in known, an object or nil, say nothing new and are left out.
func (n Normal) Facts(clear func(Leaf) bool, known any) redact.Facts {
	const room = 64 // for most objects, so that nothing has to grow
	texts := make([]string, 4*room)
	f := redact.Facts{Secret: texts[:0:room], Private: texts[room : room : 2*room], Git: texts[2*room : 2*room : 3*room], Open: texts[3*room : 3*room]}
	for _, l := range n.Shape.leaves(make([]Leaf, 0, room), n.Object, known) {
		if l.Key == v1.LabelApplied {
			continue // it is long, and has digests only
		}
		f.Open = append(f.Open, l.Key)
		v := valueOf(l, clear(l))
		switch v.form {
		case freeForm:
			if v.text == v1.NoValue {
				continue
			}
			shown, secret, private := redact.ValueForBoth(v.key, v.text, v.stated)
			f.Secret, f.Private = append(f.Secret, secret...), append(f.Private, private...)
			if shown == v.text {
				f.Git = append(f.Git, v.text)
			}
		case wordsForm:
			words := list(v.text)
			if words == nil {
				f.Secret = append(f.Secret, v.text)
				continue
			}
			shown, hidden := redact.Words(words, func(string) bool { return v.stated })
			f.Secret, f.Git = append(f.Secret, hidden...), append(f.Git, shown...)
			_, hidden = redact.Words(words, nil)
			f.Private = append(f.Private, hidden...)
		case numberForm: // it is no name, so a secret that is the same number stays hidden elsewhere
		default:
			shown, secret := redact.Split(l.Text)
			f.Open, f.Secret = append(f.Open, shown), append(f.Secret, secret...)
		}
	}
	return f.Lasting()
}

// Secret reports whether a value that is about to stand in clear in a source's tree looks like a secret. If it is a
// command, words has the places of the words that do, and whole is false.
func (l Leaf) Secret() (whole bool, words []int) {
	v := valueOf(l, true).InGit()
	switch v.form {
	case freeForm:
		_, hidden := v.shown()
		return len(hidden) > 0 || v.text != v1.NoValue && secretFile(v.text), nil
	case wordsForm:
		all := list(v.text)
		shown, _ := redact.Words(all, func(string) bool { return true })
		for i := range shown {
			if shown[i] != all[i] || secretFile(all[i]) {
				words = append(words, i)
			}
		}
		return false, words
	}
	return redact.Shape(v.text) || secretFile(v.text), nil
}

// SecretByName reports whether only the name of an entry makes its value look like a secret. Whoever says that the name is
// harmless may see the value.
func (l Leaf) SecretByName() bool {
	return l.Key != "" && redact.SecretName(l.Key) && !redact.Shape(l.Text) && !secretFile(l.Text)
}

// secretFile reports whether a text that looks like a file, because it has lines or is a document of JSON, looks as if
// it held a secret. Other texts are no files: key=zone, for example, may be the value of an option.
func secretFile(text string) bool {
	return (strings.Contains(text, "\n") || strings.HasPrefix(strings.TrimSpace(text), "{")) && redact.Content(text)
}

// Words returns the arguments of a leaf that holds a command.
func (l Leaf) Words() []string { return list(l.Text) }

// SecretKey reports whether the last map key of the path looks as if it held a secret. A line of an environment without
// =, such as DB_PASSWORD: x, is the name of a variable without a value.
func (l Leaf) SecretKey() bool { return l.Key != "" && redact.Content(l.Key) }
