// Package redact decides which texts may be shown, and to whom. Free text is the text of manifests and live objects in
// which anything may stand: environment, commands, health checks, labels and options.
//
// A value has one of two readers. Git's reader (diff and validate) has the source's tree, so what stands in
// clear there is shown unless its name or its shape looks like a secret. Anybody (HTTP, logs, metrics, errors) gets only
// what is listed as harmless.
//
// It is pure except for Known, which remembers what one process must not show.
package redact

import (
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
)

// Hidden replaces a value that must not be shown.
const Hidden = "(hidden)"

// secretWords are the parts of a name that mark its value as secret.
var secretWords = []string{
	"PASS", "PWD", "SECRET", "TOKEN", "KEY", "CREDENTIAL", "CREDS", "COOKIE", "SALT", "JWT", "WEBHOOK", "PRIVATE", "AUTHORIZATION",
	"BASICAUTH", "BASIC_AUTH", "CONNECTION_STRING", "CONNECTIONSTRING", "MASTERAUTH", "MNEMONIC", "VLESS", "VMESS",
}

// secretWhole are words that mark a name only if they stand alone in it, because other words contain them.
var secretWhole = []string{"PW", "PSW", "PSK", "PIN", "TOTP", "OTP"}

// innocent takes words out of a name that only contain a secret word.
var innocent = strings.NewReplacer(
	"KEYCLOAK", "", "KEYSPACE", "", "KEYBOARD", "", "KEYDB", "", "MONKEY", "", "HOTKEY", "", "BYPASS", "", "COMPASS", "", "PASSIVE", "", "PASSENGER", "",
	"PASSTHROUGH", "", "TOKENIZER", "", "MAX_TOKENS", "", "SALTSTACK", "",
)

// SecretName reports whether a variable, option, label or flag of that name is assumed to hold a secret. A few values are
// none whatever the name: see innocuous.
func SecretName(name string) bool { return verdictOf(name).secret }

// plainName writes a name as variables are written, so that --log-level and LOG_LEVEL are the same.
func plainName(name string) string {
	return strings.ReplaceAll(strings.ToUpper(strings.TrimLeft(name, "-")), "-", "_")
}

// filePath matches a path of at least two parts, as in /run/secrets/db. A shorter text could itself be a secret.
var filePath = regexp.MustCompile(`^(/|[A-Za-z]:[\\/])[A-Za-z0-9._-]+([\\/][A-Za-z0-9._-]+)+$`)

var (
	// mounted matches a path at which the swarm mounts a secret or config. The engine fills in {{.Service.Name}}.
	mounted = regexp.MustCompile(`^/run/(?:secrets|configs)/(?:[A-Za-z0-9._-]|\{\{ ?\.[A-Za-z.]+ ?\}\})+$`)
	// rootFile matches a file in the root directory, whose extension tells it from a secret.
	rootFile = regexp.MustCompile(`^/[a-z]+(?:[._-][a-z]+)*\.(?:txt|pem|key|crt|json|ya?ml|conf|env)$`)
)

// pointsAtFile reports whether a value is only the path of a file. By docker's convention NAME_FILE is the path of the
// file that holds the secret. The images of linuxserver.io have FILE__NAME, and Traefik has usersFile.
func (t traits) pointsAtFile(value string) bool {
	return (t.file || t.folder) && isPath(value) || t.file && (mounted.MatchString(value) || rootFile.MatchString(value))
}

// isPath reports whether a text matches filePath.
func isPath(text string) bool {
	return len(text) > 3 && (text[0] == '/' || text[1] == ':') && filePath.MatchString(text)
}

// Harmless are patterns of names whose values everybody may see, except those that have the shape of a secret. * stands
// for any text. - and _ are the same, and so are small and capital letters.
var Harmless = []string{
	"traefik.enable", "traefik.*.rule", "traefik.*.entrypoints", "traefik.*.server.port", "com.docker.stack.*", "com.docker.compose.*",
	"org.opencontainers.*", "org.label-schema.*", "LOG_LEVEL", "*_LOG_LEVEL", "LOGLEVEL", "*.log-level", "LOG_FORMAT", "LOG_DRIVER", "TZ", "LANG", "LC_*",
	"*_FILE", "PORT", "*_PORT", "*_REVISION", "*_COMMIT", "GIT_SHA", "COMMIT_SHA", "max-size", "max-file", "encrypted",
	"com.docker.network.driver.*", "swarm-operator.io/*",
}

// pattern is what a name is matched with.
type pattern struct{ parts []string }

func parse(text string) pattern { return pattern{strings.Split(plainName(text), "*")} }

func (p pattern) matches(plain string) bool {
	first, last := p.parts[0], p.parts[len(p.parts)-1]
	rest, ok := strings.CutPrefix(plain, first)
	if len(p.parts) == 1 {
		return ok && rest == ""
	}
	if !ok || !strings.HasSuffix(rest, last) {
		return false
	}
	rest = rest[:len(rest)-len(last)]
	for _, part := range p.parts[1 : len(p.parts)-1] {
		at := strings.Index(rest, part)
		if at < 0 {
			return false
		}
		rest = rest[at+len(part):]
	}
	return true
}

// patterns are those of a list.
type patterns []pattern

func compile(texts []string) patterns {
	out := make(patterns, len(texts))
	for i, t := range texts {
		out[i] = parse(t)
	}
	return out
}

func (ps patterns) match(name string) bool {
	plain := plainName(name)
	for _, p := range ps {
		if p.matches(plain) {
			return true
		}
	}
	return false
}

var builtIn = compile(Harmless)

// lists are the patterns that are in force besides Harmless, and what they say of names. They belong to the process, as
// its logs do: no door through which text leaves may have another list.
type lists struct {
	allowed, inGit          []string
	patterns, patternsInGit patterns
	// verdicts remembers names, because most objects have the same ones. It is not used beyond mostVerdicts, because names
	// come from manifests and live objects.
	verdicts sync.Map
	count    atomic.Int64
}

const mostVerdicts = 10_000

// verdict is what is thought of a name.
type verdict struct {
	traits
	anybody, inGit trust
}

var (
	current  atomic.Pointer[lists]
	changing sync.Mutex
)

func init() { current.Store(&lists{}) }

// Allow sets the names whose values everybody may see in addition to Harmless. Unlike those of Harmless, they may look
// like names of secrets.
func Allow(names []string) {
	changing.Lock()
	defer changing.Unlock()
	change(names, current.Load().inGit)
}

// AllowInGit sets the names whose values git's reader may see although they look like names of secrets. It counts only
// for values that stand in clear in the source's tree. The source itself says so, and it can open nothing that its
// reader does not have already. One process has the tree of one source.
func AllowInGit(names []string) {
	changing.Lock()
	defer changing.Unlock()
	change(current.Load().allowed, names)
}

func change(allowed, inGit []string) {
	if now := current.Load(); slices.Equal(now.allowed, allowed) && slices.Equal(now.inGit, inGit) {
		return
	}
	current.Store(&lists{allowed: slices.Clone(allowed), inGit: slices.Clone(inGit), patterns: compile(allowed), patternsInGit: compile(inGit)})
}

// CheckPattern says what is wrong with a pattern for Allow or AllowInGit, or returns "".
func CheckPattern(text string) string {
	switch {
	case strings.Trim(text, "*") == "":
		return "shows everything; state a name, in which * stands for any text"
	case strings.ContainsAny(text, " \t\r\n=") || OneLine(text) != text:
		return "is not a name: leave out spaces, = and control characters"
	}
	return ""
}

// trust says what the lists say about a name.
type trust uint8

const (
	unlisted  trust = iota
	harmless        // built in
	permitted       // by the operator or, for what is in git, by the source
)

func trustOf(name string) trust { return verdictOf(name).anybody }

// trustInGit says what the lists say about the name of a value that stands in clear in the source's tree, for git's
// reader.
func trustInGit(name string) trust { return verdictOf(name).inGit }

func verdictOf(name string) verdict {
	l := current.Load()
	if v, is := l.verdicts.Load(name); is {
		return v.(verdict)
	}
	v := l.verdict(name)
	if l.count.Add(1) <= mostVerdicts {
		l.verdicts.Store(strings.Clone(name), v)
	}
	return v
}

func (l *lists) verdict(name string) verdict {
	v := verdict{traits: traitsOf(name)}
	switch {
	case name == "":
		return v
	case l.patterns.match(name):
		v.anybody = permitted
	case builtIn.match(name) && (!v.secret || strings.HasSuffix(plainName(name), "_FILE")):
		v.anybody = harmless
	}
	v.inGit = v.anybody
	if l.patternsInGit.match(name) {
		v.inGit = permitted
	}
	return v
}
