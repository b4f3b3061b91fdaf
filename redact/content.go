package redact

import (
	"encoding/asn1"
	"regexp"
	"strings"
	"unicode/utf8"
)

const (
	// settingName is the name of a setting in a file.
	settingName = `([A-Za-z_][A-Za-z0-9_.-]*)`
	// settingValue is a value among others on one line.
	settingValue = `("(?:[^"\\\n]|\\.)*"|'(?:[^'\n]|'')*'|[^\s"',;{}\[\]()<][^\n,}\])<>]*)`
)

// setting is a form in which a name and its value are written.
type setting struct {
	pattern *regexp.Regexp
	// first has characters, and marks has texts in small letters. If they have any, each match has one of them.
	first string
	marks []mark
}

// settings match what gives a name a value in a line of a file.
var settings = []setting{
	// NAME=value, name: value, "name": "value" or 'name' => 'value'
	{pattern: regexp.MustCompile(`^\s*(?:-\s+|export\s+)?["']?` + settingName + `["']?\s*(?:=>|:?=|:)\s*(=?[^\s=].*)$`), first: ":="},
	// {user: app, name: value}, ['name' => 'value']
	{pattern: regexp.MustCompile(`[{,(\[]\s*["']?` + settingName + `(?:["']\s*:\s*|:\s+|["']?\s*=>\s*)` + settingValue), first: "{,(["},
	// requirepass value, or user name password value
	{pattern: regexp.MustCompile(`^\s*(?:\S+\s+){0,4}((?i:[a-z_-]*(?:passw(?:or)?d|requirepass|masterauth)))\s+["']?([^"'\s]+?)["']?;?\s*(?:\s#.*)?$`), marks: marksOf("pass", "masterauth")},
	// define('NAME', 'value')
	{pattern: regexp.MustCompile(`[A-Za-z]\(\s*["']` + settingName + `["']\s*,\s*("[^"]+"|'[^']+')\s*\)`), first: "("},
}

// pairs match a name and a value that stand beside each other. They may be in two lines.
var pairs = []setting{
	// name: NAME and value: value, or key="NAME" value="value"
	{pattern: regexp.MustCompile(`(?i)\b(?:name|key)["']?\s*[:=]\s*["']?` + settingName + `["']?(?:[ \t]+#[^\n]*)?\s*,?\s*["']?value["']?\s*[:=]\s*` + settingValue), marks: marksOf("value")},
	// <name>value</name>
	{pattern: regexp.MustCompile(`<` + settingName + `(?:\s[^<>]*)?>\s*([^<>\s][^<>]*)</`), first: "<"},
	// <entry key="NAME">value</entry>
	{pattern: regexp.MustCompile(`\b(?:name|key)=["']` + settingName + `["'][^<>]*>\s*([^<>\s][^<>]*)</`), first: "<"},
	// <name>NAME</name><value>value</value>
	{pattern: regexp.MustCompile(`(?i)<(?:name|key)>\s*` + settingName + `\s*</(?:name|key)>\s*<(?:value|string)>\s*([^<>\s][^<>]*)</`), first: "<"},
}

var (
	// quotedValue matches a value in quotes, which may have a comment behind it.
	quotedValue = regexp.MustCompile(`^(?:"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.|'')*)')[\s,;)}\]]*(?:(?:#|//).*)?$`)
	// comment matches the comment behind a value without quotes.
	comment = regexp.MustCompile(`\s+(?:#|//).*$`)
	// noSecret matches values that a setting with the name of a secret may have and that are none: switches, what begins
	// a list or a map, and variables.
	noSecret = regexp.MustCompile(`^(?:(?i:true|false|yes|no|on|off|null|none|~)|[\[{].*|(?:\$\$?(?:[A-Za-z_][A-Za-z0-9_]*(?:\{[^{}]*\})?|\{[^{}]*\}|\(.*\)|[0-9]|\.\S*)[-_/:@. ]*)+)$`)
	// fallback matches a variable that states what it is if nobody sets it.
	fallback = regexp.MustCompile(`^\$\$?\{[A-Za-z_][A-Za-z0-9_.]*(?::[-=]?|[-=])([^-+=?}].*)\}$`)
	// amount matches sizes and durations, as in token_ttl: 30s and key_buffer_size = 16M. A password may be a number.
	amount = regexp.MustCompile(`(?i)^[0-9.]+(?:ms|[smhdkgt]i?b?)?$`)
)

// passwordFile matches a line of PostgreSQL's .pgpass: host:port:database:user:password. A colon in a part has a backslash
// before it. The manual of libpq describes the form.
var passwordFile = regexp.MustCompile(`(?m)^(?:[^#:\\\s]|\\.)(?:[^:\\\s]|\\.)*:(?:[0-9]{1,5}|\*)(?::(?:[^:\\\n]|\\.)+){2}:(?:[^:\\\s]|\\.)+\r?$`)

// File reports whether a file of that name, which is about to stand in clear, looks as if it held a secret: by its
// content, because it is nothing but a random text or a key, or because it has the name of a secret and holds nothing
// else, that is one line or no text at all.
func File(name, text string) bool {
	return Content(text) || passwordFile.MatchString(text) || oneWord(text) && len(random(text)) > 0 || binaryKey(text) ||
		SecretName(name) && (!utf8.ValidString(text) || oneLine(text))
}

func oneWord(text string) bool { return len(strings.Fields(text)) == 1 }

// binaryKey reports whether data is a private key or a store of keys in one of the forms of X.509. Those begin with a small
// number, their version: 0 in PKCS #1 and PKCS #8, 1 in PKCS #8 and SEC 1, 3 in PKCS #12. Certificates, requests and public
// keys do not begin so. It also knows Java's stores of keys.
func binaryKey(data string) bool {
	if strings.HasPrefix(data, "\xfe\xed\xfe\xed") || strings.HasPrefix(data, "\xce\xce\xce\xce") { // JKS and JCEKS
		return true
	}
	var outer asn1.RawValue
	var version int
	if _, err := asn1.Unmarshal([]byte(data), &outer); err != nil || outer.Tag != asn1.TagSequence {
		return false
	}
	_, err := asn1.Unmarshal(outer.Bytes, &version)
	return err == nil && (version == 0 || version == 1 || version == 3)
}

func oneLine(text string) bool {
	text = strings.TrimSpace(text)
	return text != "" && !strings.Contains(text, "\n")
}

// Content reports whether a file that is about to stand in clear looks as if it held a secret: it has something of the
// shape of one, or a line that gives a value to a name as secrets have them.
func Content(text string) bool {
	if Shape(text) {
		return true
	}
	found := false
	eachSetting(text, 0, func(string) bool {
		found = true
		return false
	})
	return found
}

// contents returns the values in a file that names or the shapes of files say are secrets.
func contents(text string, depth int) (out []string) {
	eachSetting(text, depth, func(value string) bool {
		out = append(out, value)
		return true
	})
	return out
}

// aclUser matches a line of Redis' lists of users, in which > stands before a password.
var aclUser = regexp.MustCompile(`^\s*user\s+\S+\s(?:.*\s)?>(\S+)`)

// eachSetting calls yield with each value of a secret, until it returns false.
func eachSetting(text string, depth int, yield func(value string) bool) {
	if !anySecret(pairs, text, depth, yield) {
		return
	}
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\r\n")
		if strings.Contains(line, ">") && strings.Contains(line, "user") {
			if m := aclUser.FindStringSubmatch(line); m != nil && !yield(m[1]) {
				return
			}
		}
		if !anySecret(settings, line, depth, yield) {
			return
		}
	}
}

// anySecret calls yield with each value of a secret. It returns false if yield did.
func anySecret(forms []setting, text string, depth int, yield func(value string) bool) bool {
	l := lookAt(text)
	for i := range forms {
		if !forms[i].may(&l) {
			continue
		}
		for _, m := range forms[i].pattern.FindAllStringSubmatch(text, -1) {
			if value := bare(m[2]); secretSetting(m[1], value, depth) && !yield(value) {
				return false
			}
		}
	}
	return true
}

// may reports whether a text can have a setting of that form. It is a quick look before a slow one.
func (s *setting) may(l *look) bool {
	return (s.first == "" || strings.ContainsAny(l.text, s.first)) && (s.marks == nil || l.hasAny(s.marks))
}

// bare returns a value without its quotes, and without what a line has behind it.
func bare(value string) string {
	value = strings.TrimSpace(value)
	if m := quotedValue.FindStringSubmatch(value); m != nil {
		return m[1] + m[2]
	}
	return strings.TrimRight(comment.ReplaceAllString(value, ""), " \t,;")
}

// secretSetting reports whether a setting in a file is one of a secret, by its name and by its value.
func secretSetting(name, value string, depth int) bool {
	if strings.HasPrefix(value, "$") {
		if m := fallback.FindStringSubmatch(value); m != nil {
			value = m[1]
		}
	}
	if noSecret.MatchString(value) || isPath(value) {
		return false
	}
	plain := plainName(name)
	if plain == "MASTERAUTH" { // of Redis
		return value != ""
	}
	if amount.MatchString(value) && !strings.Contains(plain, "PASS") && !strings.Contains(plain, "PWD") && !strings.Contains(plain, "SECRET") {
		return false
	}
	j := judge(name, value, depth)
	shown, _ := j.value(true)
	return shown != value
}
