package redact

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
)

// Value returns what may be shown of the value of a variable, option or label, and which parts of it are hidden. git is
// true for git's reader if the value stands in clear in the source's tree.
func Value(name, text string, git bool) (shown string, hidden []string) {
	j := judge(name, text, 0)
	return j.value(git)
}

// ValueForBoth does what Value does for git's reader and for anybody. stated is true if the value stands in clear in the
// source's tree. If it does not, secret has all that is hidden, and private has nothing.
func ValueForBoth(name, text string, stated bool) (shown string, secret, private []string) {
	j := judge(name, text, 0)
	shown, secret = j.value(stated)
	if stated {
		_, private = j.value(false)
	}
	return shown, secret, private
}

// judgement is what is thought of a value, whoever reads it.
type judgement struct {
	verdict
	text   string
	at     []part   // what has the shape of a secret
	odd    []part   // what looks random
	inner  []string // the secrets within the text
	secret bool     // the name says that it is one, and the text does not say otherwise
}

// deepest is how deep settings are looked for in the values of settings. Each of them may be found in two ways, so without
// an end a text of a few words could keep the operator busy for years.
const deepest = 2

func judge(name, text string, depth int) (j judgement) {
	if text == "" {
		return j
	}
	l := lookAt(text)
	j = judgement{verdict: verdictOf(name), text: text, at: l.parts()}
	if l.long {
		if at := random(text); len(at) > 0 {
			j.odd = j.verdict.odd(text, at)
		}
	}
	if depth < deepest {
		j.inner = j.inside(&l, depth+1)
	}
	j.secret = j.traits.secret && !j.innocuous(text)
	return j
}

// value returns what a reader may see, and what is hidden.
func (j *judgement) value(git bool) (shown string, hidden []string) {
	t, at, inner, secret := j.anybody, j.at, j.inner, j.secret
	if git {
		t = j.inGit
	}
	if t == permitted {
		secret = false
	} else if len(j.odd) > 0 {
		at = slices.Concat(at, j.odd)
	}
	if j.text == "" || !secret && (t != unlisted || git) && len(at) == 0 && len(inner) == 0 {
		return j.text, nil
	}
	if secret && j.method { // NEO4J_AUTH is user/password
		if _, password, is := strings.Cut(j.text, "/"); is {
			inner = append(slices.Clip(inner), password)
		}
	}
	_, cuts := cut(j.text, at)
	return Hidden, append(append(cuts, inner...), j.text)
}

// inside returns the secrets in a value that has words, flags, lines or a document in it, as a command or a file has.
func (v verdict) inside(l *look, depth int) (hidden []string) {
	text := l.text
	if v.login && !v.image && v.inGit != permitted {
		if _, password, is := userPassword(text); is {
			hidden = append(hidden, password)
		}
	}
	if l.hasByte(' ') && l.hasByte(':') {
		if setting, value, is := strings.Cut(text, ": "); is && assignable.MatchString(setting) && SecretName(setting) {
			if value = bare(value); secretSetting(setting, value, depth) {
				hidden = append(hidden, value)
			}
		}
	}
	file := fileLike(text)
	if file || l.hasByte(' ') && (strings.Contains(text, "requirepass ") || strings.Contains(text, "masterauth ")) {
		hidden = append(hidden, contents(text, depth)...)
	}
	if l.hasByte(':') && strings.Count(text, ":") >= 4 && passwordFile.MatchString(text) {
		hidden = append(hidden, text[strings.LastIndexByte(text, ':')+1:])
	}
	if text[0] == '[' {
		hidden = append(hidden, inList(text)...)
	}
	if l.hasByte('-') && commandLike(text) || l.hasByte(' ') && containsAny(text, feeders) {
		s := speech{git: everything, only: true, file: file}
		s.note([]string{text})
		s.pieces(text)
		hidden = append(hidden, s.hidden...)
	}
	return hidden
}

// inList returns the secrets in a command that is written as a list in JSON.
func inList(text string) []string {
	var list []string
	if json.Unmarshal([]byte(text), &list) != nil {
		return nil
	}
	s := speech{git: everything, only: true}
	s.note(list)
	for i, w := range list {
		s.word(w, i)
	}
	return s.hidden
}

func everything(string) bool { return true }

// fileLike reports whether a text looks like a file, because it has lines or is a document of JSON. Other texts are no
// files: key=zone, for example, may be the value of an option.
func fileLike(text string) bool {
	if strings.Contains(text, "\n") {
		return true
	}
	text = strings.TrimLeft(text, " \t")
	return text != "" && (text[0] == '{' || text[0] == '[' || text[0] == '<')
}

// commandLike reports whether a text has flags, as a command has.
func commandLike(text string) bool {
	return strings.HasPrefix(text, "-") || strings.Contains(text, " -") || strings.Contains(text, "\n-")
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
	flag   string // the flag that takes the next word, or ""
	script bool   // whether the argument in hand is a line for a shell, and not one word whatever is in it
	heard
	only   bool   // only what names and flags say is secret is hidden, and not what has the shape of a secret
	file   bool   // the text is a file, whose settings Content knows
	fresh  bool   // the next word is a program
	runs   string // the program whose words these are
	last   string // the flag before this word
	after  int    // the number of words behind htpasswd -b
	nested int    // how many of NAME=NAME=value the word is in
	hidden []string
}

// heard is what the words of a command say together.
type heard struct {
	takes  map[string]bool // the flags whose next word is a password, such as -a of redis-cli
	joined map[string]bool // the flags that have a password behind them in the same word, such as -p of mysql
	users  bool            // -u takes user:password
	login  bool            // some flag says who logs in, so that -p says with what
	feeds  bool            // what is echoed is a password for another program
	signs  bool            // it is a command like docker login, whose -p is a password
	acl    bool            // > stands before a password, as in Redis' lists of users
}

// feeders are parts of lines in which one program gives a password to another.
var feeders = []string{"chpasswd", "-stdin", "--stdin", "sudo -S", "passphrase-fd", "smbpasswd"}

var (
	// logsIn matches a flag for the name of a user.
	logsIn = regexp.MustCompile(`(?:^|\s)(?:-[uU](?:\s|[A-Za-z0-9_.@-]*(?:\s|$))|--?user(?:name)?[\s=])`)
	// noLogin matches programs whose -p is no password.
	noLogin = regexp.MustCompile(`^(?:mkdir|cp|mv|ssh|scp|sftp|psql|pg_[a-z]+|nc|ncat|netcat|nmap|tar|ps|docker|docker-compose|podman|redis-cli|redis-server|valkey-cli|valkey-server|curl|wget|rsync|install|read|grep|egrep|ping|test|openssl|git|memcached|nginx|celery|gunicorn|uvicorn|kill|pkill|pgrep|lsof|ss|ip|iptables|haproxy|named|dnsmasq|mosquitto)$`) //nolint:misspell // it is a program
	// address matches what -p takes if it takes no password: a number, ports, a path.
	address = regexp.MustCompile(`^(?:[0-9]{1,5}|[0-9.:/-]*[.:/-][0-9.:/-]*(?:tcp|udp)?|[./~].*|[a-z0-9.-]+:[0-9]+(?::[0-9]+)?(?:/(?:tcp|udp))?)$`)
	mixed   = regexp.MustCompile(`[A-Za-z].*[0-9!#%^&*+?]|[0-9!#%^&*+?].*[A-Za-z]`)
	// longFlag matches the beginnings of flags with one dash that begin with p and take no password.
	longFlag = regexp.MustCompile(`^-p(?:ort|ath|id|refix|rofile|roject|roto|roxy|ublish|lugin|olicy|oll|ublic|rint|ool|riority|aram|age|ull|ush|reserve|erm|ersist|rivileged)`)
	// wrapper matches words that stand before a program.
	wrapper  = regexp.MustCompile(`^(?:exec|sudo|env|nohup|time|if|then|else|do|while|until|!|\{|\()$`)
	bundle   = regexp.MustCompile(`^-[a-zA-Z]*u$`)
	forRedis = regexp.MustCompile(`(?i)\bsetuser\b|(?:^|\s)--user\s.*>`)
)

var program = regexp.MustCompile(`(?:^|[\s/"'(;&|])(redis-cli|redis-benchmark|keydb-cli|valkey-cli|mysql[a-z_]*|mariadb[a-z-]*|curl|wget|http|sshpass|sqlcmd|mongo[a-z]*|cypher-shell|cqlsh|ldap[a-z]+)(?:$|[\s"'])`)

// programs have a part of every match of program.
var programs = []string{"-cli", "redis-benchmark", "mysql", "mariadb", "curl", "wget", "http", "sshpass", "sqlcmd", "mongo", "cypher-shell", "cqlsh", "ldap"}

// passwordFlags are the flags for passwords that have one letter, by how the names of programs begin. The password is
// the next word, stands behind the flag in the same word, or may do both.
var passwordFlags = []struct {
	program, flag string
	next, joined  bool
}{
	{"redis-cli", "-a", true, false},
	{"valkey-cli", "-a", true, false},
	{"keydb-cli", "-a", true, false},
	{"redis-benchmark", "-a", true, false},
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
	s.fresh = true
	if line := strings.Join(words, " "); strings.ContainsAny(line, "-|<>") {
		s.login = (strings.Contains(line, "-u") || strings.Contains(line, "-U")) && logsIn.MatchString(line)
		s.signs = strings.Contains(line, " login ")
		s.feeds = containsAny(line, feeders)
		s.acl = strings.Contains(line, ">") && forRedis.MatchString(line)
	}
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
	if i := strings.IndexAny(text, ":%"); i > 0 && !strings.ContainsAny(text, " \n") { // of user:password
		s.hidden = append(s.hidden, text[i+1:])
	}
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
	flag, last := s.flag, s.last
	s.flag, s.last = "", ""
	if shown, done := s.given(flag, w); done {
		return shown
	}
	name, value, is := assignment(w)
	spaces := strings.ContainsAny(w, " \t\n")
	if s.fresh && !is && !spaces && !strings.HasPrefix(w, "-") && !wrapper.MatchString(w) {
		s.runs, s.fresh, s.after = strings.TrimLeft(w[strings.LastIndexByte(w, '/')+1:], "$(`{"), false, 0
	}
	switch {
	case spaces && s.script:
		return s.shell(w)
	case spaces && s.feeds && (s.runs == "echo" || s.runs == "printf"):
		return s.hide(w)
	}
	if is {
		if shown, done := s.setting(w, name, value, spaces); done {
			return shown
		}
	}
	switch {
	case s.isFile(w):
		return s.hide(w)
	case len(w) > 2 && s.joined[w[:2]] && !isVariable(w[2:]):
		return w[:2] + s.hide(w[2:])
	case spaces:
		return s.shell(w)
	case s.short(w):
	case isUUID(w) && strings.HasPrefix(last, "--") && verdictOf(last).id:
		return w
	case s.mark(w, is):
	default:
		if shown, done := s.marked(w); done {
			return shown
		}
	}
	if strings.HasPrefix(w, "-") && !is {
		s.last = w
	}
	return s.plain(w)
}

// isFile reports whether a word is a file that holds a secret.
func (s *speech) isFile(w string) bool {
	if s.only || !fileLike(w) || !Content(w) {
		return false
	}
	s.hidden = append(s.hidden, contents(w, 0)...)
	return true
}

// setting returns what may be shown of the word name=value. done is false if it is a word like any other.
func (s *speech) setting(w, name, value string, spaces bool) (shown string, done bool) {
	switch {
	case SecretName(name) && trustInGit(name) != permitted:
		if value == "" || isVariable(value) || isPath(value) {
			return w, true
		}
		if innocuous(name, value) {
			return s.plain(w), true
		}
		return name + "=" + s.hide(value), true
	case s.isFile(w):
		return s.hide(w), true
	case spaces:
		return "", false
	case s.account(name, value):
		user, password, _ := userPassword(value)
		return name + "=" + user + ":" + s.hide(password), true
	case s.nested < deepest && strings.Contains(value, "=") && assignable.MatchString(strings.SplitN(value, "=", 2)[0]): // --env=NAME=value
		s.nested++
		defer func() { s.nested-- }()
		return name + "=" + s.clear(value), true
	case trustInGit(name) == harmless && len(odd(name, value)) > 0:
		return name + "=" + s.hide(value), true
	case trustInGit(name) != unlisted:
		return s.shaped(w), true
	case isUUID(value) && verdictOf(name).id:
		return w, true
	}
	return "", false
}

// mark takes a word that says that the next one is a secret, and reports whether the word is one.
func (s *speech) mark(w string, is bool) bool {
	switch {
	case !is && strings.HasPrefix(w, "-") && SecretName(w) && !strings.HasPrefix(w, "--no-") && !strings.HasSuffix(w, "-stdin") && trustInGit(w) != permitted:
		s.flag = w
	case !s.file && strings.HasSuffix(w, ":") && SecretName(w): // a header, as in X-Api-Key: abc
		s.flag = w
	case strings.EqualFold(w, "bearer"):
		s.flag = w
	default:
		return false
	}
	return true
}

// marked returns what may be shown of a word that has a secret in it, behind a mark. done is false if it has none.
func (s *speech) marked(w string) (shown string, done bool) {
	switch {
	case len(w) > 3 && strings.HasPrefix(w, "-u") && strings.Contains(w, ":"): // -u and user:password in one word
		if user, password, both := userPassword(w[2:]); both {
			return "-u" + user + ":" + s.hide(password), true
		}
	case len(w) > 2 && s.login && strings.HasPrefix(w, "-p") && s.mayLogIn() && !longFlag.MatchString(w) && passwordLike(w[2:], true) && !isVariable(w[2:]):
		return w[:2] + s.hide(w[2:]), true
	case s.acl && len(w) > 1 && w[0] == '>':
		return ">" + s.hide(w[1:]), true
	case len(w) > 5 && strings.HasPrefix(w, "pass:"): // of openssl
		return "pass:" + s.hide(w[5:]), true
	case s.echoed(w):
		if user, password, both := strings.Cut(w, ":"); both && password != "" {
			return user + ":" + s.hide(password), true
		}
		return s.hide(w), true
	}
	return "", false
}

// short takes the flags of one letter whose next word may be a password, and reports whether the word was one of them.
func (s *speech) short(w string) bool {
	switch {
	case s.takes[w]:
		s.flag = takenFlag
	case w == "-u" || w == "--user" || w == "--proxy-user" || s.users && bundle.MatchString(w):
		s.flag = userFlag
		if s.users {
			s.flag = anyUserFlag
		}
	case w == "-U":
		s.flag = userFlag
	case (w == "-p" || w == "-P") && s.mayLogIn() && !s.joined[w]:
		s.flag = passwordFlag
	default:
		return false
	}
	return true
}

// given returns what may be shown of a word behind a flag. done is false if the word is one like any other.
func (s *speech) given(flag, w string) (shown string, done bool) {
	dashed := strings.HasPrefix(w, "-")
	if flag == "" || dashed && (len(w) <= 12 || verdictOf(flag).method) {
		return "", false
	}
	if isVariable(w) || isPath(w) {
		return w, true
	}
	switch flag {
	case userFlag, anyUserFlag:
		return s.user(flag, w)
	case passwordFlag:
		if dashed || !passwordLike(w, s.login) {
			return "", false
		}
	default:
		if flag != takenFlag && innocuous(flag, w) {
			return s.plain(w), true
		}
	}
	return s.hide(w), true
}

// user returns what may be shown of the word behind a flag for a user. done is false if it has no password.
func (s *speech) user(flag, w string) (shown string, done bool) {
	if flag == userFlag && (strings.HasPrefix(w, "-") || strings.ContainsAny(w, " \t\n")) {
		return "", false
	}
	user, password, is := userPassword(w)
	if flag == anyUserFlag && !is {
		user, password, is = strings.Cut(w, ":")
		is = is && !strings.ContainsAny(user, " \t\n")
	}
	if is {
		return user + ":" + s.hide(password), true
	}
	if user, password, is = strings.Cut(w, "%"); is && user != "" && !strings.ContainsAny(w, "/=") { // of smbclient
		return user + "%" + s.hide(password), true
	}
	return "", false
}

// account reports whether a value is user:password of a name for what logs in.
func (s *speech) account(name, value string) bool {
	if v := verdictOf(name); !v.login || v.inGit == permitted {
		return false
	}
	_, _, is := userPassword(value)
	return is
}

// mayLogIn reports whether -p of the program may be a password.
func (s *speech) mayLogIn() bool { return s.signs || !noLogin.MatchString(s.runs) }

// passwordLike reports whether what stands behind -p may be a password. login is true if another flag says who logs in.
func passwordLike(w string, login bool) bool {
	return !address.MatchString(w) && (login || mixed.MatchString(w))
}

// echoed reports whether a word is one that echo or printf gives to a program that reads a password, or that htpasswd -b
// takes.
func (s *speech) echoed(w string) bool {
	if strings.HasPrefix(w, "-") {
		if s.runs == "htpasswd" && strings.Contains(w, "b") && !strings.HasPrefix(w, "--") {
			s.after = 1
		}
		return false
	}
	told := s.feeds && (s.runs == "echo" || s.runs == "printf") && w != s.runs && !strings.HasPrefix(w, "%")
	switch {
	case !told && s.after == 0 && w != "<<<" || isVariable(w) || ends(w) || isPath(w):
		return false
	case s.after > 0:
		s.after++
		return s.after > 2
	case w == "<<<":
		s.flag = takenFlag
		return false
	}
	return told
}

// ends reports whether a word ends a command of a shell's line.
func ends(w string) bool {
	return w == "|" || w == "||" || w == "&" || w == "&&" || strings.HasSuffix(w, ";")
}

// These stand for the flags of one letter.
const (
	userFlag     = "-u"       // takes a user, who may have a password
	anyUserFlag  = "-u:"      // takes user:password
	passwordFlag = "-p"       // takes a password, or something else
	takenFlag    = "PASSWORD" // takes a password, whatever it looks like
)

// variable matches a word that the shell replaces.
var variable = regexp.MustCompile(`^["']?\$(\$?[A-Za-z_][A-Za-z0-9_]*|\$?\{[A-Za-z_][A-Za-z0-9_]*\}|\(cat /run/secrets/[A-Za-z0-9._-]+\))["']?$`)

func isVariable(w string) bool { return strings.IndexByte(w, '$') >= 0 && variable.MatchString(w) }

// shaped hides what has the shape of a secret.
func (s *speech) shaped(w string) string {
	if s.only {
		return w
	}
	shown, hidden := cut(w, parts(w))
	s.hidden = append(s.hidden, hidden...)
	return shown
}

// plain hides what has the shape of a secret or looks random.
func (s *speech) plain(w string) string {
	if s.only {
		return w
	}
	shown, hidden := cut(w, append(parts(w), odd("", w)...))
	s.hidden = append(s.hidden, hidden...)
	return shown
}

// pieces are the words of a shell's line, which may be quoted, and the spaces between them. A word may have quotes behind
// it, as in NAME="a value".
type pieces struct {
	rest string
	// open is, for each kind of quote, how much of the line is left when nothing closes one that begins there or earlier.
	open [2]int
}

// next returns the next piece, or "".
func (p *pieces) next() string {
	n, line := 0, p.rest
	for n < len(line) && isSpace(line[n]) {
		n++
	}
	if n == 0 {
		for n < len(line) && !isSpace(line[n]) && line[n] != '"' && line[n] != '\'' {
			n++
		}
		if q := p.quoted(line[n:]); n+q > 0 || line == "" {
			n += q
		} else {
			n = 1 // a quote that nothing closes
		}
	}
	p.rest = line[n:]
	return line[:n]
}

// quoted returns the length of the quotes that a text, the end of the line, begins with, or 0.
func (p *pieces) quoted(text string) int {
	if text == "" || text[0] != '"' && text[0] != '\'' {
		return 0
	}
	open := &p.open[text[0]&1]
	if len(text) > *open && *open > 0 {
		return 0
	}
	for i := 1; i < len(text); i++ {
		switch {
		case text[i] == text[0]:
			return i + 1
		case text[i] == '\\' && text[0] == '"':
			if i++; i < len(text) && text[i] == '\n' {
				*open = len(text) - i
				return 0
			}
		}
	}
	*open = 1
	return 0
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\f' || c == '\r' }

// shell goes through the words of a shell's line.
func (s *speech) shell(line string) string {
	s.script = false
	runs := s.runs
	defer func() { s.runs, s.fresh = runs, false }()
	first := s.pieces(line) // for what is hidden of it as it is
	if s.only {
		return first
	}
	// A secret may span words, as a PEM block does.
	return s.pieces(s.shaped(line))
}

func (s *speech) pieces(line string) string {
	var b strings.Builder
	s.fresh = true
	split := pieces{rest: line}
	for p := split.next(); p != ""; p = split.next() {
		b.WriteString(s.piece(p))
		if ends(p) {
			s.fresh, s.flag = true, ""
		}
	}
	s.flag = ""
	return b.String()
}

func (s *speech) piece(p string) string {
	q := strings.IndexAny(p, `"'`)
	switch {
	case strings.TrimSpace(p) == "":
		return p
	case q == 0 && len(p) > 1:
		return p[:1] + s.clear(p[1:len(p)-1]) + p[:1]
	case q > 0 && strings.ContainsAny(p, " \t\n"): // one word, of which a part is quoted
		word := p[:q] + p[q+1:len(p)-1]
		if shown := s.clear(word); shown != word {
			return shown
		}
		return p
	}
	return s.clear(p)
}
