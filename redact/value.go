package redact

import (
	"regexp"
	"slices"
	"strings"
)

// Value returns what may be shown of the value of a variable, option or label, and which parts of it are hidden. git is
// true for git's reader if the value stands in clear in the source's tree.
func Value(name, text string, git bool) (shown string, hidden []string) {
	return valueWith(name, text, git, parts(text))
}

// ValueForBoth does what Value does for git's reader and for anybody. stated is true if the value stands in clear in the
// source's tree. If it does not, secret has all that is hidden, and private has nothing.
func ValueForBoth(name, text string, stated bool) (shown string, secret, private []string) {
	at := parts(text)
	shown, secret = valueWith(name, text, stated, at)
	if stated {
		_, private = valueWith(name, text, false, at)
	}
	return shown, secret, private
}

// valueWith is Value for a text in which the parts that have the shape of a secret have been found.
func valueWith(name, text string, git bool, at []part) (shown string, hidden []string) {
	if text == "" {
		return "", nil
	}
	t := trustOf(name)
	if git {
		t = trustInGit(name)
	}
	secret := t != permitted && SecretName(name) && !pointsAtFile(name, text)
	if t == unlisted && git {
		at = append(slices.Clip(at), random(text)...)
	}
	if secret || t == unlisted && !git || len(at) > 0 {
		_, inner := cut(text, at)
		return Hidden, append(inner, text)
	}
	return text, nil
}

// Words returns what may be shown of a command or a health check, argument by argument, and what is hidden. git reports
// whether an argument stands in clear in the source's tree; nil means that none does, or that the reader is anybody.
func Words(words []string, git func(string) bool) (shown, hidden []string) {
	s := speech{git: git}
	s.note(words)
	for i, w := range words {
		s.script = i > 0 && (words[i-1] == "CMD-SHELL" || runsScript.MatchString(words[i-1]) && slices.ContainsFunc(words[:i-1], shellName.MatchString))
		shown = append(shown, s.word(w, i))
	}
	return shown, s.hidden
}

// healthWords are how a health check's command begins.
var healthWords = map[string]bool{"CMD": true, "CMD-SHELL": true, "NONE": true}

// runsScript matches the flag of a shell that makes the next argument a script, as in sh -c.
var (
	runsScript = regexp.MustCompile(`^-[a-z]*c$`)
	shellName  = regexp.MustCompile(`(?:^|/)(?:ba|da|a|z|k)?sh$`)
)

// speech goes through the words of a command.
type speech struct {
	git    func(string) bool
	flag   string          // the flag that takes the next word, or ""
	script bool            // whether the argument in hand is a line for a shell, and not one word whatever is in it
	takes  map[string]bool // the flags whose next word is a password, such as -a of redis-cli
	joined map[string]bool // the flags that have a password behind them in the same word, such as -p of mysql
	users  bool            // -u takes user:password
	hidden []string
}

var program = regexp.MustCompile(`(?:^|[\s/"'(;&|])(redis-cli|valkey-cli|mysql[a-z_]*|mariadb[a-z-]*|curl|wget|http|sshpass|sqlcmd|mongo[a-z]*|cypher-shell|cqlsh|ldap[a-z]+)(?:$|[\s"'])`)

// programs have a part of every match of program.
var programs = []string{"-cli", "mysql", "mariadb", "curl", "wget", "http", "sshpass", "sqlcmd", "mongo", "cypher-shell", "cqlsh", "ldap"}

// passwordFlags are the flags for passwords that have one letter, by how the names of programs begin. The password is
// the next word, stands behind the flag in the same word, or may do both.
var passwordFlags = []struct {
	program, flag string
	next, joined  bool
}{
	{"redis-cli", "-a", true, false},
	{"valkey-cli", "-a", true, false},
	{"mysql", "-p", false, true},
	{"mariadb", "-p", false, true},
	{"sshpass", "-p", true, true},
	{"sqlcmd", "-P", true, true},
	{"mongo", "-p", true, true},
	{"cypher-shell", "-p", true, false},
	{"cqlsh", "-p", true, true},
	{"ldap", "-w", true, true},
}

// note finds out which programs a command runs whose flags for passwords have one letter.
func (s *speech) note(words []string) {
	if !slices.ContainsFunc(words, func(w string) bool { return containsAny(w, programs) }) {
		return
	}
	s.takes, s.joined = map[string]bool{}, map[string]bool{}
	for _, m := range program.FindAllStringSubmatch(strings.Join(words, "  "), -1) {
		s.users = s.users || m[1] == "curl" || m[1] == "wget" || m[1] == "http"
		for _, f := range passwordFlags {
			if strings.HasPrefix(m[1], f.program) {
				s.takes[f.flag], s.joined[f.flag] = s.takes[f.flag] || f.next, s.joined[f.flag] || f.joined
			}
		}
	}
}

// hide hides a text, and returns what stands for it.
func (s *speech) hide(text string) string {
	if text == "" {
		return ""
	}
	s.hidden = append(s.hidden, text)
	return Hidden
}

// word returns what may be shown of an argument.
func (s *speech) word(w string, at int) string {
	if at == 0 && healthWords[w] {
		return w
	}
	if s.git != nil && s.git(w) {
		return s.clear(w)
	}
	flag := s.flag
	s.flag = ""
	name, value, is := assignment(w)
	switch {
	case is && trustOf(name) != unlisted:
		if shown, _ := Value(name, value, false); shown == value {
			return w
		}
	case flag != "":
		if shown, _ := Value(flag, w, false); shown == w {
			return w
		}
	case strings.HasPrefix(w, "-") && trustOf(w) != unlisted:
		s.flag = w
		return w
	}
	s.flag = flag
	s.clear(w) // for the secrets within the argument
	if is {
		s.hidden = append(s.hidden, value)
	}
	return s.hide(w)
}

// assignment splits name=value, with or without a flag's dashes.
func assignment(w string) (name, value string, is bool) {
	name, value, is = strings.Cut(w, "=")
	return name, value, is && assignable.MatchString(name)
}

var assignable = regexp.MustCompile(`^-{0,2}[A-Za-z_][A-Za-z0-9_.-]*$`)

// clear returns what git's reader may see of a word that stands in clear in the source's tree.
func (s *speech) clear(w string) string {
	flag := s.flag
	s.flag = ""
	if flag != "" && (!strings.HasPrefix(w, "-") || len(w) > 12) {
		if variable.MatchString(w) || filePath.MatchString(w) {
			return w
		}
		if flag == userFlag {
			user, password, is := strings.Cut(w, ":")
			if is {
				return user + ":" + s.hide(password)
			}
			return s.plain(w)
		}
		return s.hide(w)
	}
	name, value, is := assignment(w)
	spaces := strings.ContainsAny(w, " \t\n")
	switch {
	case spaces && s.script:
		return s.shell(w)
	case is && SecretName(name) && trustInGit(name) != permitted:
		if value == "" || variable.MatchString(value) || filePath.MatchString(value) {
			return w
		}
		return name + "=" + s.hide(value)
	case is && !spaces && trustInGit(name) != unlisted:
		return s.shaped(w)
	case len(w) > 2 && s.joined[w[:2]] && !variable.MatchString(w[2:]):
		return w[:2] + s.hide(w[2:])
	case spaces:
		return s.shell(w)
	case s.takes[w]:
		s.flag = "PASSWORD"
	case s.users && (w == "-u" || w == "--user" || w == "--proxy-user"):
		s.flag = userFlag
	case !is && strings.HasPrefix(w, "-") && SecretName(w) && !strings.HasPrefix(w, "--no-") && trustInGit(w) != permitted:
		s.flag = w
	case strings.HasSuffix(w, ":") && SecretName(w): // a header, as in X-Api-Key: abc
		s.flag = w
	case strings.EqualFold(w, "bearer"):
		s.flag = w
	}
	return s.plain(w)
}

const userFlag = "-u"

// variable matches a word that the shell replaces.
var variable = regexp.MustCompile(`^["']?\$(\$?[A-Za-z_][A-Za-z0-9_]*|\$?\{[A-Za-z_][A-Za-z0-9_]*\}|\(cat /run/secrets/[A-Za-z0-9._-]+\))["']?$`)

// shaped hides what has the shape of a secret.
func (s *speech) shaped(w string) string {
	shown, hidden := cut(w, parts(w))
	s.hidden = append(s.hidden, hidden...)
	return shown
}

// plain hides what has the shape of a secret or looks random.
func (s *speech) plain(w string) string {
	shown, hidden := cut(w, append(parts(w), random(w)...))
	s.hidden = append(s.hidden, hidden...)
	return shown
}

// piece matches a word of a shell's line, which may be quoted, or the space between two words.
var piece = regexp.MustCompile(`\s+|"(?:[^"\\]|\\.)*"|'[^']*'|[^\s"']+(?:"(?:[^"\\]|\\.)*"|'[^']*')?|["']`)

// shell goes through the words of a shell's line.
func (s *speech) shell(line string) string {
	s.script = false
	s.pieces(line) // for what is hidden of it as it is
	// A secret may span words, as a PEM block does.
	return s.pieces(s.shaped(line))
}

func (s *speech) pieces(line string) string {
	var b strings.Builder
	for _, p := range piece.FindAllString(line, -1) {
		q := strings.IndexAny(p, `"'`)
		switch {
		case strings.TrimSpace(p) == "":
			b.WriteString(p)
		case q == 0 && len(p) > 1:
			b.WriteString(p[:1] + s.clear(p[1:len(p)-1]) + p[:1])
		case q > 0 && strings.ContainsAny(p, " \t\n"): // one word, of which a part is quoted
			word := p[:q] + p[q+1:len(p)-1]
			if shown := s.clear(word); shown != word {
				p = shown
			}
			b.WriteString(p)
		default:
			b.WriteString(s.clear(p))
		}
	}
	s.flag = ""
	return b.String()
}
