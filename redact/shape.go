package redact

import (
	"regexp"
	"strings"
)

// shape is a form in which secrets are written. It hides its first group, or the whole match if it has none.
type shape struct {
	// mark is a part of every match, in small letters, that is faster to find. "" means that there is none.
	mark    string
	pattern *regexp.Regexp
}

const (
	// assigned is what may stand between the name of a secret and the secret.
	assigned = `["']?\s*=\s*["']?|["']\s*:\s*["']?`
	// value is a secret after its name. What begins with $ is a variable, and what is in /run/secrets is a file.
	value = `([^\s"'&;,$/(][^\s"'&;,]*|/(?:[^r\s"'&;,]|r[^u\s"'&;,])[^\s"'&;,]*)`
)

// oracle matches user/password@database, as Oracle's clients take it.
var oracle = regexp.MustCompile(`(?i)(?:^|[\s"'=,;(]|(?:thin|oci8?):)[a-z][a-z0-9_$#]{0,60}/"?([^\s"'/@]{1,100})"?@(?://)?[a-z0-9(\[]`)

// noDatabase matches what follows the @ of a version, a digest, or a name of Traefik's, as in team/app@v1.2.
var noDatabase = regexp.MustCompile(`(?i)^@(?:sha(?:256|512):|v?[0-9]+(?:\.[0-9x]+){0,2}(?:[-+][a-z0-9.-]*)?(?:$|[\s"',;)])|(?:latest|main|master|next|beta|stable|head|dev|develop|canary|edge|file|docker|internal|swarm)(?:$|[\s"',;)]))`)

var shapes = []shape{
	{"://", regexp.MustCompile(`(?i)[a-z][a-z0-9+.-]*://([^\s/?#@:"']*:[^\s/?#"']*)@`)}, // the user may be empty, as in redis://:secret@host
	{"://", regexp.MustCompile(`(?i)https?://([^\s/?#@:"']+)@`)},                        // a token as the user
	{"-----begin", regexp.MustCompile(`(?s)-----BEGIN ((?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?|PGP MESSAGE|ENCRYPTED MESSAGE)-----.*?(?:-----END [A-Z0-9 ]+-----|\z)`)},
	{"eyj", regexp.MustCompile(`\beyJ[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]{5,}(?:\.[A-Za-z0-9_-]*)?`)},
	{"$", regexp.MustCompile(`\${1,2}(?:2[abxy]?|[1567]|y|gy|apr1|argon2[a-z]*|scrypt|bcrypt-sha256|pbkdf2[a-z0-9-]*|sha1|md5|P|H)\${1,2}[^\s:,"']{8,}`)},
	{"}", regexp.MustCompile(`\{(?:SSHA|SHA|SMD5|MD5|CRYPT)[0-9]*\}[A-Za-z0-9+/=$.]{8,}`)},
	// The DSN of Go's driver for MySQL: user:password@tcp(host)/database, or user:password@/database.
	{"@", regexp.MustCompile(`(?i)(?:^|[\s"'=,;({\[])([^\s:@/"'=,;({\[]{0,80}:(?:[^\s"'/]|/[^\s"'/])[^\s"']{0,200}?)@(?:(?:tcp|udp)[46]?\(|unix(?:gram)?\(|pipe\(|cloudsql[a-z-]*\(|/[^/\s])`)},
	{"@", oracle},
	// The source of a CIFS mount. Cleaned as a path, it has one slash.
	{"@", regexp.MustCompile(`(?:^|[\s"'=,;])//?([^\s/@:"']*:[^\s/"']+)@`)},
	{"%", regexp.MustCompile(`(?i)(?:^|[\s,;"'])user(?:name)?=([^\s,%"']+%[^\s,"']+)`)}, // an option of a CIFS mount
	{"", regexp.MustCompile(`\b(?:gh[pousr]_[A-Za-z0-9]{16,}|github_pat_\w{16,}|gl(?:pat|dt|rt|cbt|ptt|soat)-[\w-]{16,}|xox[a-z]-[\w-]{8,}|xapp-[\w-]{8,}|sk-[\w-]{16,}|[sr]k_(?:live|test)_\w{8,}|whsec_\w{8,}|(?:AKIA|ASIA)[0-9A-Z]{16}|AIza[\w-]{30,}|ya29\.[\w-]{10,}|npm_\w{20,}|pypi-[\w-]{16,}|dckr_(?:pat|oat)_[\w-]{10,}|hv[sb]\.[\w-]{16,}|do[op]_v1_\w{16,}|SG\.[\w-]{10,}\.[\w-]{10,}|shp(?:at|ca|pa|ss)_\w{16,}|gls[ac]_\w{16,}|AGE-SECRET-KEY-1[0-9A-Za-z]+|[0-9]{8,10}:[\w-]{35})`)},
	{"swm", regexp.MustCompile(`SWM(?:KEY|TKN)-([0-9]+-[A-Za-z0-9+/=-]+)`)},
	{"services/", regexp.MustCompile(`(?i)hooks\.slack\.com/services/([^\s"']+)`)},
	{"webhook", regexp.MustCompile(`(?i)(?:discord(?:app)?\.com/api/webhooks|[a-z0-9.-]*office(?:365)?\.com/webhook[a-z0-9]*)/([^\s"']+)`)},
	{"/bot", regexp.MustCompile(`(?i)api\.telegram\.org/bot([^\s"'/]+)`)},
	{"", regexp.MustCompile(`(?i)\b(?:bearer|basic)\s+([A-Za-z0-9+/=._~-]{6,})`)},
	{"", regexp.MustCompile(`(?i)(?:pass(?:word|wd|phrase|code)?|(?:^|[^a-z])pw|pwd|masterauth|secrets?|tokens?|(?:api|access|account|private|shared|secret|client|auth|encryption|signing|master)[_-]?key|sharedaccesskey|sharedaccesssignature|credentials?|authorization|[?&]sig|[?&]signature|[?&]key)(?:` + assigned + `)` + value)},
}

// part is a place in a text that has the shape of a secret.
type part struct{ from, to int }

// parts returns the places in a text that have the shape of a secret.
func parts(text string) (out []part) {
	if len(text) < 6 {
		return nil
	}
	lower := strings.ToLower(text)
	for i, s := range shapes {
		if s.mark != "" && !strings.Contains(lower, s.mark) || s.mark == "" && !may(i, lower) {
			continue
		}
		out = s.find(out, text)
	}
	return out
}

// find appends the places in a text that have the shape.
func (s shape) find(out []part, text string) []part {
	for _, at := range s.pattern.FindAllStringSubmatchIndex(text, -1) {
		p := part{at[0], at[1]}
		if len(at) > 2 && at[2] >= 0 && s.mark != "-----begin" {
			p = part{at[2], at[3]}
		}
		if s.pattern == oracle && noDatabase.MatchString(strings.TrimPrefix(text[p.to:], `"`)) {
			continue
		}
		if strings.HasSuffix(strings.ToLower(text[at[0]:p.from]), "credentials=") && filePath.MatchString(text[p.from:p.to]) {
			continue // a CIFS mount's option names the file
		}
		out = append(out, p)
	}
	return out
}

// may reports whether a text can match a shape that has no mark. It is a quick look before a slow one.
func may(shape int, lower string) bool {
	switch shape {
	case len(shapes) - 1:
		return strings.ContainsAny(lower, "=:") && (containsAny(lower, namesOfSecrets) || strings.Contains(lower, "ſ")) // which is an s if capitals do not count
	case len(shapes) - 2:
		return strings.Contains(lower, "bearer") || strings.Contains(lower, "basic") || strings.Contains(lower, "ſ")
	}
	return len(lower) >= shortestToken && (containsAny(lower, tokens) || len(lower) >= shortestBot && numbered(lower))
}

// These have a part of every match of the shapes without a mark, in small letters.
var (
	tokens = []string{
		"ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "glpat-", "gldt-", "glrt-", "glcbt-", "glptt-", "glsoat-", "glsa_", "glsc_",
		"xox", "xapp-", "sk-", "k_live_", "k_test_", "whsec_", "akia", "asia", "aiza", "ya29.", "npm_", "pypi-", "dckr_", "hvs.", "hvb.",
		"doo_v1_", "dop_v1_", "sg.", "shpat_", "shpca_", "shppa_", "shpss_", "age-secret-key-1",
	}
	namesOfSecrets = []string{"pass", "pw", "masterauth", "secret", "token", "key", "sharedaccess", "credential", "authorization", "sig"}
)

const (
	shortestToken = 13 // bytes, of xapp-
	shortestBot   = 44 // bytes, of eight digits, a colon and 35 characters
)

// numbered reports whether a text has a colon after eight digits, as the token of a bot has.
func numbered(text string) bool {
	digits := 0
	for i := range len(text) {
		switch c := text[i]; {
		case c == ':' && digits >= 8:
			return true
		case '0' <= c && c <= '9':
			digits++
		default:
			digits = 0
		}
	}
	return false
}

func containsAny(text string, parts []string) bool {
	for _, p := range parts {
		if strings.Contains(text, p) {
			return true
		}
	}
	return false
}

// Shape reports whether a text holds something that has the shape of a secret.
func Shape(text string) bool { return len(parts(text)) > 0 }

// Text hides what has the shape of a secret in a text that is about to be shown.
func Text(text string) string {
	shown, _ := cut(text, parts(text))
	return shown
}

// Split does what Text does, and also returns what it hides.
func Split(text string) (shown string, hidden []string) { return cut(text, parts(text)) }

// cut replaces parts of a text, which may overlap. It also returns what it replaced.
func cut(text string, at []part) (shown string, hidden []string) {
	if len(at) == 0 {
		return text, nil
	}
	hide := make([]bool, len(text))
	for _, p := range at {
		for i := p.from; i < p.to; i++ {
			hide[i] = true
		}
		hidden = append(hidden, text[p.from:p.to])
		if i := strings.IndexAny(text[p.from:p.to], ":%"); i >= 0 && !strings.ContainsAny(text[p.from+i+1:p.to], " \n") { // of user:password
			hidden = append(hidden, text[p.from+i+1:p.to])
		}
	}
	var b strings.Builder
	for i := range len(text) {
		switch {
		case !hide[i]:
			b.WriteByte(text[i])
		case i == 0 || !hide[i-1]:
			b.WriteString(Hidden)
		}
	}
	return b.String(), hidden
}

// common has, for each letter, the letters that often follow it in words and identifiers. In such texts 97 of 100 pairs
// of letters are common, and in random ones 44.
var common = [26]string{
	"abcdfgiklmnprstuvwy", "aeilorsuy", "acehiklmoprstu", "adegilnoprsuy", "abcdefgilmnopqrstuvwxy", "aefilorstuy", "aehilnorsu", "aeiorstu",
	"abcdefglmnoprstvxz", "eo", "eins", "adefilostuvy", "abeimopsu", "acdefgiklmnorstuvy", "abcdfgiklmnoprstuvwx", "acehiloprstu", "u",
	"abcdefgiklmnoprstuvwy", "acdehiklmnoprstuwy", "acdefhilnoprstuwy", "abcdefgilmnoprst", "aeio", "aehinors", "aceipt", "einopst", "e",
}

var (
	run    = regexp.MustCompile(`[A-Za-z0-9_+/=~-]{16,}`)
	digest = regexp.MustCompile(`sha(?:256|512):[0-9a-f]{64,}`)
)

// random returns the places in a text that look like random letters and digits.
func random(text string) (out []part) {
	if !longRun(text) {
		return nil
	}
	public := digest.FindAllStringIndex(text, -1)
	for _, at := range run.FindAllStringIndex(text, -1) {
		if !within(at, public) && scrambled(text[at[0]:at[1]]) {
			out = append(out, part{at[0], at[1]})
		}
	}
	return out
}

// longRun reports whether a text has a match of run. It is a quick look before a slow one.
func longRun(text string) bool {
	n := 0
	for i := range len(text) {
		if c := text[i]; classOf(c) == other && strings.IndexByte("_+/=~-", c) < 0 {
			n = 0
		} else if n++; n >= 16 {
			return true
		}
	}
	return false
}

func within(at []int, ranges [][]int) bool {
	for _, r := range ranges {
		if at[0] >= r[0] && at[1] <= r[1] {
			return true
		}
	}
	return false
}

// scrambled reports whether neighbouring characters seldom follow each other in words. Two digits say nothing. A change
// between letters and digits is not common, and neither is a capital after a small letter if the next one is not small.
func scrambled(text string) bool {
	pairs, odd, mixed := 0, 0, 0
	for i := range len(text) - 1 {
		a, b := classOf(text[i]), classOf(text[i+1])
		switch {
		case a == other || b == other || a == figure && b == figure:
		case a == figure || b == figure:
			pairs++
			odd++
			mixed++
		case a == small && b == capital && i+2 < len(text) && classOf(text[i+2]) == small: // a new word, as in camelCase
		default:
			pairs++
			if x, y := text[i]|0x20, text[i+1]|0x20; strings.IndexByte(common[x-'a'], y) < 0 || a == small && b == capital {
				odd++
			}
		}
	}
	return mixed >= 6 || mixed >= 4 && len(text) >= 24 || pairs >= 10 && odd*100 >= pairs*30
}

type class uint8

const (
	other class = iota
	small
	capital
	figure
)

func classOf(c byte) class {
	switch {
	case 'a' <= c && c <= 'z':
		return small
	case 'A' <= c && c <= 'Z':
		return capital
	case '0' <= c && c <= '9':
		return figure
	}
	return other
}
