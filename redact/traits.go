package redact

import (
	"regexp"
	"slices"
	"strings"
	"unicode"
)

// traits are what a name says about its value.
type traits struct {
	// secret is true if the value is assumed to be a secret.
	secret bool
	// method is true if AUTH alone makes it one. The value may also say how somebody logs in, as in SMTP_AUTH: plain.
	method bool
	exceptions
	// public is true for names of public keys.
	public bool
	// itself is true for names whose value is the secret, whatever it is, as in PASSWORD: on.
	itself bool
	// id is true for names of ids, which may be UUIDs.
	id bool
	// revision is true for names of commits, and image for those of images, which have tags that are commits.
	revision, image bool
	// login is true for names of what may be user:password.
	login bool
	// file is true for names of files that hold a secret, and folder for those of other paths: see pointsAtFile.
	file, folder bool
}

// exceptions are traits of names that sound like secrets and may be none.
type exceptions struct {
	// limit is true for names of lengths and times, as in TOKEN_TTL.
	limit bool
	// option is true for names of what may be switched on, as in ALLOW_EMPTY_PASSWORD.
	option bool
	// index is true for names of keys that open nothing, as in SORT_KEY.
	index bool
	// directory is true for PWD, which is also the working directory of a shell.
	directory bool
}

var (
	limits = []string{
		"LENGTH", "TTL", "SIZE", "COUNT", "LIMIT", "EXPIRY", "EXPIRE", "EXPIRES", "EXPIRATION", "LIFETIME", "LIFESPAN", "TIMEOUT", "AGE", "DAYS", "HOURS",
		"MINUTES", "SECONDS", "INTERVAL", "ROUNDS", "RETRIES", "ATTEMPTS", "BITS", "MIN", "MAX",
	}
	options = []string{"ALLOW", "ENABLE", "ENABLED", "DISABLE", "DISABLED", "USE", "REQUIRE", "REQUIRED", "SKIP", "EMPTY", "RANDOM", "GENERATE"}
	indexes = []string{"CACHE", "SORT", "ROUTING", "PARTITION", "FOREIGN", "ORDER", "INDEX", "LOOKUP"}
	// opening are words of names of keys that open something, as in ENCRYPTION_CACHE_KEY.
	opening = []string{"ENCRYPTION", "ENCRYPT", "SIGNING", "SIGN", "API", "ACCESS", "AUTH", "MASTER", "CRYPTO", "AES", "HMAC"}
	// secrets are words that a name of a secret ends with.
	secrets = []string{"PASSWORD", "PASSWD", "PASS", "PASSPHRASE", "PASSCODE", "PWD", "PW", "PSW", "PSK", "PIN", "SECRET", "TOKEN", "KEY", "JWT", "SALT", "OTP", "TOTP"}
)

// traitsOf looks at a name. Its verdict is remembered, so this need not be fast.
func traitsOf(name string) (t traits) {
	plain := plainName(name)
	t.file = strings.HasPrefix(plain, "FILE__") || strings.HasSuffix(plain, "_FILE") || strings.HasSuffix(plain, ".USERSFILE")
	t.folder = strings.HasSuffix(plain, "_PATH") || strings.HasSuffix(plain, "_DIR")
	plain = innocent.Replace(plain)
	var marks []string
	for _, w := range secretWords {
		if strings.Contains(plain, w) {
			marks = append(marks, w)
		}
	}
	words := wordsOf(name)
	for _, w := range words {
		if slices.Contains(secretWhole, w) {
			marks = append(marks, w)
		}
	}
	has := func(list []string) bool {
		return slices.ContainsFunc(words, func(w string) bool { return slices.Contains(list, w) })
	}
	last := ""
	if len(words) > 0 {
		last = words[len(words)-1]
	}
	t.method = len(marks) == 0 && last == "AUTH"
	t.secret = len(marks) > 0 || t.method
	t.limit = slices.Contains(limits, last)
	t.option = has(options)
	t.index = slices.Equal(marks, []string{"KEY"}) && last == "KEY" && len(words) > 1 && slices.Contains(indexes, words[len(words)-2]) && !has(opening)
	t.directory = name == "PWD" || name == "OLDPWD"
	t.public = (strings.Contains(plain, "PUBLIC_KEY") || strings.Contains(plain, "PUBLICKEY") || strings.Contains(plain, "PUBKEY") || strings.Contains(plain, "AUTHORIZED_KEY")) &&
		!slices.ContainsFunc(marks, func(m string) bool { return m != "KEY" && m != "JWT" })
	t.itself = slices.Contains(secrets, last) && !t.option && !t.public && !t.index
	t.id = !t.secret && strings.HasSuffix(last, "ID")
	t.revision = slices.Contains([]string{"REVISION", "COMMIT", "SHA", "REF"}, last)
	t.image = last == "IMAGE"
	t.login = slices.Contains([]string{"AUTH", "BASIC", "USER", "USERS", "LOGIN", "USERNAME", "ACCOUNT", "ADMIN"}, last)
	return t
}

// wordsOf returns the words of a name in capitals. A capital after a small letter begins a word, as in dbPw.
func wordsOf(name string) []string {
	var b strings.Builder
	small := false
	for _, r := range name {
		if small && unicode.IsUpper(r) {
			b.WriteByte(' ')
		}
		small = unicode.IsLower(r)
		b.WriteRune(r)
	}
	return strings.FieldsFunc(strings.ToUpper(b.String()), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
}

var (
	toggles = []string{"true", "false", "yes", "no", "on", "off"}
	// howToLogIn matches values of AUTH that say how somebody logs in, or where.
	howToLogIn = regexp.MustCompile(`^(?:(?i:none|plain|login|basic|digest|bearer|cram-?md5|md5|scram-sha-(?:1|256)|ntlm|gssapi|xoauth2|oauth2?|oidc|saml|ldap|jwt|cookie|session|local|anonymous|password|required|optional|enabled?|disabled?|[01])|https?://[^\s@?#]+)$`)
	// directory matches a path, which may have one part.
	directory = regexp.MustCompile(`^/(?:[A-Za-z._-]+/?)?(?:[A-Za-z0-9._-]+/?)*$`)
	// plainWords matches small words, as in user:by-name.
	plainWords = regexp.MustCompile(`^[a-z]+(?:[._:-][a-z]+)*$`)
	// publicKey matches keys that are meant for everybody, and that nobody takes for private ones.
	publicKey = regexp.MustCompile(`^\s*(?:(?:ssh-(?:rsa|ed25519|dss)|ecdsa-sha2-nistp[0-9]{3}|sk-(?:ssh|ecdsa)[a-z0-9@.-]*) AAAA[A-Za-z0-9+/=]+(?: [A-Za-z0-9@._-]+)?|age1[02-9ac-hj-np-z]{58}|-----BEGIN (?:(?:RSA |EC )?PUBLIC KEY|CERTIFICATE)-----[A-Za-z0-9+/=\s\\]+-----END (?:(?:RSA |EC )?PUBLIC KEY|CERTIFICATE)-----)\s*$`)
	// vapid matches the public key of web push. The private one is shorter.
	vapid = regexp.MustCompile(`^B[A-Za-z0-9_-]{86}=?$`)
	uuid  = regexp.MustCompile(`^[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}$`)
	// commit matches the hash of a commit, whole or in short.
	commit = regexp.MustCompile(`^(?:[0-9a-f]{7,40}|[0-9a-f]{64})$`)
	// ofCommit matches an image whose tag is a commit.
	ofCommit = regexp.MustCompile(`^[a-z0-9][a-z0-9._/:-]*:(?:[a-z0-9.]{1,12}-)?[0-9a-f]{7,40}$`)
)

func isUUID(text string) bool { return len(text) == 36 && uuid.MatchString(text) }

// innocuous reports whether a value is no secret although its name is that of one.
func innocuous(name, value string) bool { return verdictOf(name).innocuous(value) }

func (t traits) innocuous(value string) bool {
	if !t.itself && isToggle(value) || t.pointsAtFile(value) {
		return true
	}
	switch {
	case t.limit && len(value) <= 10 && amount.MatchString(value):
		return true
	case t.option && (value == "0" || value == "1"):
		return true
	case t.method:
		return howToLogIn.MatchString(value)
	case t.index:
		return len(value) <= 24 && plainWords.MatchString(value) && !scrambled(value)
	case t.directory:
		return len(value) <= 80 && directory.MatchString(value) && len(random(value)) == 0
	case t.public:
		return publicKey.MatchString(value) || vapid.MatchString(value)
	}
	return false
}

func isToggle(value string) bool {
	return len(value) <= 6 && slices.ContainsFunc(toggles, func(t string) bool { return strings.EqualFold(t, value) })
}

// odd returns the places in a value that look random, unless the name says what they are.
func odd(name, text string) []part {
	at := random(text)
	if len(at) == 0 {
		return nil
	}
	return verdictOf(name).odd(text, at)
}

// odd returns the places that look random, unless they are what the name says.
func (v verdict) odd(text string, at []part) []part {
	switch {
	case (v.id || v.anybody != unlisted) && !v.secret && isUUID(text), publicKey.MatchString(text), v.public && vapid.MatchString(text):
		return nil
	case v.revision && commit.MatchString(text), v.image && ofCommit.MatchString(text), (v.file || v.folder) && mounted.MatchString(text):
		return nil
	}
	return at
}

var (
	// account matches user:password. The user has no slash, as paths and images have.
	account = regexp.MustCompile(`^([^\s:/=,${]+):([^\s]+)$`)
	// noPassword matches what stands behind a colon and is none: a port, an id, what begins a URL, and the group of a user.
	noPassword = regexp.MustCompile(`^(?:[0-9]{1,5}(?:/.*)?|//.*|root|adm|users|staff|docker|nogroup|nobody|daemon|wheel|www-data|sys|bin|video|audio|tty)$`)
)

// userPassword splits user:password. It is false for ids, for the group of a user, for paths, and for ports.
func userPassword(text string) (user, password string, is bool) {
	if strings.IndexByte(text, ':') < 1 {
		return "", "", false
	}
	m := account.FindStringSubmatch(text)
	if m == nil || m[1] == m[2] || noPassword.MatchString(m[2]) || isVariable(m[2]) || isPath(m[2]) || isPath(text) {
		return "", "", false
	}
	return m[1], m[2], true
}
