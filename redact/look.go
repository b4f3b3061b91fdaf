package redact

import "strings"

// Most values hold no secret, and the patterns of secrets are slow. So one pass over a text finds which characters it
// has, and a pattern looks only at a text that has those of each of its matches.

// chars are characters of ASCII. Capitals count as small letters too.
type chars struct{ low, high uint64 }

// all are the characters of a text that has others than those of ASCII. Some of them count as letters of ASCII if
// capitals do not count: the long s, and the sign of Kelvin.
var all = chars{^uint64(0), ^uint64(0)}

func (c chars) has(other chars) bool {
	return c.low&other.low == other.low && c.high&other.high == other.high
}

func (c chars) hasByte(b byte) bool {
	if b < 64 {
		return c.low>>(b&63)&1 == 1
	}
	return c.high>>(b&63)&1 == 1
}

// look is a text, and what is known about it.
type look struct {
	chars
	text  string
	small string // the text in small letters, or "" if nobody has asked for it
	long  bool   // whether it has a long run: see longRun
}

func lookAt(text string) look {
	l := look{text: text}
	n, foreign := 0, false
	for i := range len(text) {
		c := text[i]
		switch {
		case c < 64:
			l.low |= 1 << (c & 63)
		case c < 128:
			l.high |= 1 << (c & 63)
		default:
			foreign = true
		}
		if !ofRun[c] {
			n = 0
		} else if n++; n >= leastRun {
			l.long = true
		}
	}
	const capitals = 1<<27 - 1<<1 // A is 65, which is 64+1
	l.high |= l.high & capitals << 32
	if foreign {
		l.chars = all
	}
	return l
}

// mark is a part of a text in small letters.
type mark struct {
	text string
	chars
}

func marksOf(texts ...string) []mark {
	out := make([]mark, len(texts))
	for i, text := range texts {
		out[i] = mark{text, lookAt(text).chars}
	}
	return out
}

// lower returns the text in small letters. A long s counts as an s, as it does for patterns.
func (l *look) lower() string {
	if l.small == "" {
		l.small = strings.ToLower(l.text)
		if strings.Contains(l.small, "ſ") {
			l.small = strings.ReplaceAll(l.small, "ſ", "s")
		}
	}
	return l.small
}

// hasAny reports whether the text has one of the marks.
func (l *look) hasAny(marks []mark) bool {
	for i := range marks {
		if l.has(marks[i].chars) && strings.Contains(l.lower(), marks[i].text) {
			return true
		}
	}
	return false
}

// quick is a way to find out that a text cannot match a shape.
type quick uint8

const (
	byMark      quick = iota // the mark alone
	forAt                    // it has an @ too
	forDSN                   // user:password@tcp(
	forOracle                // user/password@
	forMount                 // //user:password@
	forToken                 // one of tokens
	forLogin                 // bearer or basic
	forAssigned              // name=value
)

// withNeeds fills in the characters of the marks.
func withNeeds(shapes []shape) []shape {
	for i := range shapes {
		shapes[i].needs = lookAt(shapes[i].mark).chars
	}
	return shapes
}

// may reports whether a text can match a shape. If it cannot, may says so without a pattern.
func (l *look) may(s *shape) bool {
	if !l.has(s.needs) {
		return false
	}
	switch s.quick {
	case forAt:
		if !l.hasByte('@') {
			return false
		}
	case forDSN, forOracle, forMount:
		return l.at(s.quick)
	case forToken:
		return len(l.text) >= shortestToken && (l.hasAny(tokens) || len(l.text) >= shortestBot && l.hasByte(':') && numbered(l.text))
	case forLogin:
		return l.hasAny(logins)
	case forAssigned:
		return (l.hasByte('=') || l.hasByte(':') && (l.hasByte('"') || l.hasByte('\''))) && l.hasAny(namesOfSecrets)
	}
	return s.mark == "" || strings.Contains(l.lower(), s.mark)
}

// at reports whether what stands around one @ of the text may be what is looked for. It passes over the text once.
func (l *look) at(q quick) bool {
	text, slash, colon := l.text, -1, -1
	bracket := strings.LastIndexByte(text, '(')
	for i := range len(text) {
		switch text[i] {
		case '/':
			slash = i
		case ':':
			colon = i
		case '@':
			if q == forDSN && colon >= 0 && dsn(text[i+1:], bracket > i) || q == forOracle && slash > 0 && slash+1 < i && ofUser(text[slash-1]) ||
				q == forMount && slash >= 0 && colon > slash && begins(text[:slash]) {
				return true
			}
		}
	}
	return false
}

// dsn reports whether what follows an @ may be the address of a DSN: tcp, udp, unix, pipe, cloudsql or a slash.
func dsn(behind string, bracket bool) bool {
	return behind != "" && (behind[0] == '/' || bracket && strings.IndexByte("tupcTUPC", behind[0]) >= 0)
}

// ofUser reports whether the name of a user may end with a character.
func ofUser(c byte) bool { return classOf(c) != other || c == '_' || c == '$' || c == '#' || c >= 128 }

// begins reports whether a slash behind a text, which may be the second one, begins a word.
func begins(before string) bool {
	before = strings.TrimSuffix(before, "/")
	return before == "" || strings.IndexByte(" \t\n\f\r\"'=,;", before[len(before)-1]) >= 0
}

// These have a part of every match of the shapes without a mark, in small letters.
var (
	tokens = marksOf(
		"ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "glpat-", "gldt-", "glrt-", "glcbt-", "glptt-", "glsoat-", "glsa_", "glsc_",
		"xox", "xapp-", "sk-", "k_live_", "k_test_", "whsec_", "akia", "asia", "aiza", "ya29.", "npm_", "pypi-", "dckr_", "hvs.", "hvb.",
		"doo_v1_", "dop_v1_", "sg.", "shpat_", "shpca_", "shppa_", "shpss_", "age-secret-key-1",
	)
	logins         = marksOf("bearer", "basic")
	namesOfSecrets = marksOf("pass", "pw", "masterauth", "secret", "token", "key", "sharedaccess", "credential", "authorization", "sig")
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
