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
	// quick says how to look for more than the mark.
	quick quick
	// needs are the characters of the mark.
	needs chars
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

var shapes = withNeeds([]shape{
	// The user may be empty, as in redis://:secret@host.
	{mark: "://", pattern: regexp.MustCompile(`(?i)[a-z][a-z0-9+.-]*://([^\s/?#@:"']*:[^\s/?#"']*)@`), quick: forAt},
	// A token as the user.
	{mark: "://", pattern: regexp.MustCompile(`(?i)https?://([^\s/?#@:"']+)@`), quick: forAt},
	{mark: "-----begin", pattern: regexp.MustCompile(`(?s)-----BEGIN ((?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?|PGP MESSAGE|ENCRYPTED MESSAGE)-----.*?(?:-----END [A-Z0-9 ]+-----|\z)`)},
	{mark: "eyj", pattern: regexp.MustCompile(`\beyJ[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]{5,}(?:\.[A-Za-z0-9_-]*)?`)},
	{mark: "$", pattern: regexp.MustCompile(`\${1,2}(?:2[abxy]?|[1567]|y|gy|apr1|argon2[a-z]*|scrypt|bcrypt-sha256|pbkdf2[a-z0-9-]*|sha1|md5|P|H)\${1,2}[^\s:,"']{8,}`)},
	{mark: "}", pattern: regexp.MustCompile(`\{(?:SSHA|SHA|SMD5|MD5|CRYPT)[0-9]*\}[A-Za-z0-9+/=$.]{8,}`)},
	// The DSN of Go's driver for MySQL: user:password@tcp(host)/database, or user:password@/database.
	{mark: "@", pattern: regexp.MustCompile(`(?i)(?:^|[\s"'=,;({\[])([^\s:@/"'=,;({\[]{0,80}:(?:[^\s"'/]|/[^\s"'/])[^\s"']{0,200}?)@(?:(?:tcp|udp)[46]?\(|unix(?:gram)?\(|pipe\(|cloudsql[a-z-]*\(|/[^/\s])`), quick: forDSN},
	{mark: "@", pattern: oracle, quick: forOracle},
	// The source of a CIFS mount. Cleaned as a path, it has one slash.
	{mark: "@", pattern: regexp.MustCompile(`(?:^|[\s"'=,;])//?([^\s/@:"']*:[^\s/"']+)@`), quick: forMount},
	{mark: "%", pattern: regexp.MustCompile(`(?i)(?:^|[\s,;"'])user(?:name)?=([^\s,%"']+%[^\s,"']+)`)}, // an option of a CIFS mount
	{pattern: regexp.MustCompile(`\b(?:gh[pousr]_[A-Za-z0-9]{16,}|github_pat_\w{16,}|gl(?:pat|dt|rt|cbt|ptt|soat)-[\w-]{16,}|xox[a-z]-[\w-]{8,}|xapp-[\w-]{8,}|sk-[\w-]{16,}|[sr]k_(?:live|test)_\w{8,}|whsec_\w{8,}|(?:AKIA|ASIA)[0-9A-Z]{16}|AIza[\w-]{30,}|ya29\.[\w-]{10,}|npm_\w{20,}|pypi-[\w-]{16,}|dckr_(?:pat|oat)_[\w-]{10,}|hv[sb]\.[\w-]{16,}|do[op]_v1_\w{16,}|SG\.[\w-]{10,}\.[\w-]{10,}|shp(?:at|ca|pa|ss)_\w{16,}|gls[ac]_\w{16,}|AGE-SECRET-KEY-1[0-9A-Za-z]+|[0-9]{8,10}:[\w-]{35})`), quick: forToken},
	{mark: "swm", pattern: regexp.MustCompile(`SWM(?:KEY|TKN)-([0-9]+-[A-Za-z0-9+/=-]+)`)},
	{mark: "services/", pattern: regexp.MustCompile(`(?i)hooks\.slack\.com/services/([^\s"']+)`)},
	{mark: "webhook", pattern: regexp.MustCompile(`(?i)(?:discord(?:app)?\.com/api/webhooks|[a-z0-9.-]*office(?:365)?\.com/webhook[a-z0-9]*)/([^\s"']+)`)},
	{mark: "/bot", pattern: regexp.MustCompile(`(?i)api\.telegram\.org/bot([^\s"'/]+)`)},
	{pattern: regexp.MustCompile(`(?i)\b(?:bearer|basic)\s+([A-Za-z0-9+/=._~-]{6,})`), quick: forLogin},
	{pattern: regexp.MustCompile(`(?i)(?:pass(?:word|wd|phrase|code)?|(?:^|[^a-z])pw|pwd|masterauth|secrets?|tokens?|(?:api|access|account|private|shared|secret|client|auth|encryption|signing|master)[_-]?key|sharedaccesskey|sharedaccesssignature|credentials?|authorization|[?&]sig|[?&]signature|[?&]key)(?:` + assigned + `)` + value), quick: forAssigned},
})

// part is a place in a text that has the shape of a secret.
type part struct{ from, to int }

// parts returns the places in a text that have the shape of a secret.
func parts(text string) []part {
	l := lookAt(text)
	return l.parts()
}

func (l *look) parts() (out []part) {
	if len(l.text) < 6 {
		return nil
	}
	for i := range shapes {
		if s := &shapes[i]; l.may(s) {
			out = s.find(out, l.text)
		}
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
		if text[at[0]:p.from] == "credentials=" && (at[0] == 0 || text[at[0]-1] == ',') && isPath(text[p.from:p.to]) && len(random(text[p.from:p.to])) == 0 {
			continue // a CIFS mount's option names the file
		}
		out = append(out, p)
	}
	return out
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

// leastRun is how long a text must be to look random. What it may consist of is ofRun.
const leastRun = 16

var ofRun = func() (out [256]bool) {
	for c := range out {
		out[c] = classOf(byte(c)) != other || strings.IndexByte("_+/=~-", byte(c)) >= 0
	}
	return out
}()

var digest = regexp.MustCompile(`sha(?:256|512):[0-9a-f]{64,}`)

// random returns the places in a text that look like random letters and digits.
func random(text string) (out []part) {
	if !longRun(text) {
		return nil
	}
	var public [][]int
	if strings.Contains(text, "sha") {
		public = digest.FindAllStringIndex(text, -1)
	}
	for from := 0; from < len(text); from++ {
		to := from
		for to < len(text) && ofRun[text[to]] {
			to++
		}
		if to-from >= leastRun && !within([]int{from, to}, public) && scrambled(text[from:to]) {
			out = append(out, part{from, to})
		}
		from = to
	}
	return out
}

// longRun reports whether a text has something as long as what may look random.
func longRun(text string) bool {
	n := 0
	for i := range len(text) {
		if !ofRun[text[i]] {
			n = 0
		} else if n++; n >= leastRun {
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
