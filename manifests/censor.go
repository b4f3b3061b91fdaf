package manifests

import (
	"reflect"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
)

// Three things keep secrets out of problems. Values below keys that look like a secret's name are never quoted. A
// type's message about such a value is replaced, and Validate's messages are searched for such values. In the end clean
// looks over every problem.

// notShown replaces a message that would show a secret.
const notShown = "holds a value that is not allowed here; it is not shown because it may be a secret"

// clean replaces each part of a problem that holds a URL with a password. It also bounds the length, because a value
// may be as long as its file.
func clean(p v1.Problem) v1.Problem {
	p.Message = cut(p.Message, 400)
	if v1.SecretText(p.Message) {
		p.Message = notShown
	}
	if v1.SecretText(p.Path) {
		p.Path = ""
	}
	if v1.SecretText(p.Object.Kind) || v1.SecretText(p.Object.Name) || len(p.Object.Kind)+len(p.Object.Name) > 300 {
		p.Object = v1.Key{}
	}
	return p
}

// shownName returns a key as a path shows it. DB_PASSWORD:x and DB_PASSWORD=x, written in place of DB_PASSWORD: x, are
// keys too; of these it shows only the name.
func shownName(name string) string {
	if v1.SecretName(name) {
		word := func(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune("_-./", r) }
		if i := strings.IndexFunc(name, func(r rune) bool { return !word(r) }); i >= 0 {
			return name[:i] + "…"
		}
	}
	if v1.SecretText(name) {
		return v1.Hidden
	}
	return cut(name, 80)
}

// hidden reports whether a node's text must not be shown.
func (d *decoder) hidden(n *yaml.Node, at int32) bool {
	return d.marks.secret(at) || v1.SecretText(n.Value)
}

// quote returns a scalar's text for a message.
func (d *decoder) quote(n *yaml.Node, at int32) string {
	if d.hidden(n, at) {
		return "the value"
	}
	return quoteText(n.Value)
}

// censor hides values that may be secrets in what Validate says of an object.
func (d *decoder) censor(message, path string, object v1.Object, at int32) string {
	var secrets []string
	if d.marks.secret(at) {
		if v := lookup(reflect.ValueOf(object), path); v.IsValid() && v.Kind() == reflect.String {
			secrets = append(secrets, v.String())
		}
	}
	for _, k := range d.marks {
		if k.key && v1.SecretName(k.name) && shownName(k.name) != k.name {
			secrets = append(secrets, k.name)
		}
	}
	for _, s := range secrets {
		quoted := strconv.Quote(s)
		for _, text := range []string{quoted, quoted[1 : len(quoted)-1], s} {
			if text != "" && text != `""` {
				message = strings.ReplaceAll(message, text, v1.Hidden)
			}
		}
	}
	return message
}

// quoteText returns a text for a message: short and printable. It is in quotes if it would not stand out as one word.
func quoteText(s string) string {
	s = cut(s, 40)
	plain := func(r rune) bool {
		return unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune("._-+:/…", r)
	}
	if s == "" || strings.ContainsFunc(s, func(r rune) bool { return !plain(r) }) {
		return strconv.Quote(s)
	}
	return s
}

// cut bounds the length of a text. It hides a URL's password before it cuts, because half of a URL would not be
// recognised.
func cut(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	if v1.SecretText(s) {
		return v1.Hidden
	}
	for limit > 0 && !utf8.RuneStart(s[limit]) {
		limit--
	}
	return s[:limit] + "…"
}
