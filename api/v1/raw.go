package v1

import (
	"bytes"
	"regexp"
)

// Mistaken describes content that nobody meant to state. It is a pointer or ciphertext that a git filter or a tool left
// in place of the content, or it has the marks of an unresolved merge. The operator reads files as they are in git: it
// runs no filter and decrypts nothing.
type Mistaken struct {
	// What is a description, as in "encrypted by SOPS".
	What string
	// Fix is what to do. It is "" if the content is encrypted.
	Fix string
	// Line is the line of the file on which it was found.
	Line int
	// Parts is true if only some values in the file are encrypted, so that the file can still be read.
	Parts bool
}

// Why says what is wrong with content, and what to do.
func (m Mistaken) Why() string {
	fix := m.Fix
	if fix == "" {
		fix = "the operator decrypts nothing: use an external secret, or content that is not encrypted"
	}
	return "is " + m.What + "; " + fix + ", or state spec.raw: true if it is meant as it is"
}

// WhyNoManifest says what is wrong with a manifest, and what to do.
func (m Mistaken) WhyNoManifest() string {
	fix := m.Fix
	if fix == "" {
		fix = "the operator decrypts nothing, so a manifest must not be encrypted"
	}
	return "is " + m.What + "; " + fix
}

// IsMistaken reports whether the content of a config or secret, or a manifest, is something that nobody meant to
// state.
func IsMistaken(data []byte) (m Mistaken, is bool) {
	switch {
	case pointerLFS(data):
		m = Mistaken{What: "a Git LFS pointer and not the file itself", Fix: "commit the file without LFS (git lfs untrack)"}
	case bytes.HasPrefix(data, []byte("/annex/objects/")):
		m = Mistaken{What: "a git-annex pointer and not the file itself", Fix: "commit the file without git-annex (git annex unannex)"}
	case bytes.HasPrefix(data, []byte("\x00GITCRYPT\x00")):
		m = Mistaken{What: "encrypted by git-crypt"}
	case transcrypt.Match(data):
		m = Mistaken{What: "encrypted by OpenSSL, as transcrypt does it"}
	case bytes.HasPrefix(data, []byte("age-encryption.org/v1\n")), begins(data, "-----BEGIN AGE ENCRYPTED FILE-----"):
		m = Mistaken{What: "encrypted with age"}
	case begins(data, "-----BEGIN PGP MESSAGE-----"), pgpMessage(data):
		m = Mistaken{What: "encrypted by PGP"}
	case vaultFile.Match(data):
		m = Mistaken{What: "encrypted by ansible-vault"}
	default:
		return inParts(data)
	}
	m.Line = 1
	return m, true
}

// inParts finds marks that stand between other lines.
func inParts(data []byte) (Mistaken, bool) {
	if at := conflict(data); at > 0 {
		return Mistaken{What: "text with the marks of a merge conflict (<<<<<<<, ======= and >>>>>>>)", Fix: "resolve the conflict and commit the file again", Line: at}, true
	}
	if at := firstMatch(data, "ENC[AES256_GCM,", sopsValue); at > 0 {
		return Mistaken{What: "encrypted by SOPS", Line: at, Parts: true}, true
	}
	if at := firstMatch(data, "$ANSIBLE_VAULT;", vaultLine); at > 0 {
		return Mistaken{What: "in part encrypted by ansible-vault", Line: at, Parts: true}, true
	}
	return Mistaken{}, false
}

var (
	// transcrypt matches what openssl enc -a writes: base64 that begins with "Salted__", in full lines with line ends.
	// A program's own passphrase-encrypted value is one line without a line end; such content is meant.
	transcrypt = regexp.MustCompile(`\AU2FsdGVkX1(?:[A-Za-z0-9+/]{1,54}=*\r?\n|[A-Za-z0-9+/]{54}\r?\n(?:[A-Za-z0-9+/]{64}\r?\n)*[A-Za-z0-9+/]{1,64}=*\r?\n)\z`)
	vaultFile  = regexp.MustCompile(`\A\s*\$ANSIBLE_VAULT;[0-9.]+;AES`)
	vaultLine  = regexp.MustCompile(`(?m)^\s*\$ANSIBLE_VAULT;[0-9.]+;AES`)
	// sopsValue matches a value that SOPS has encrypted: in YAML, JSON, INI, an env file or a comment. Each file of
	// SOPS has at least one, its mac.
	sopsValue = regexp.MustCompile(`(?m)(?:^|[\s"'=:#-])ENC\[AES256_GCM,data:[^\]\s]*,type:[a-z]+\](?:$|[\s"',}\]])`)
)

// firstMatch returns the line of the first match, or 0. mark is a part of every match that is faster to find.
func firstMatch(data []byte, mark string, pattern *regexp.Regexp) int {
	at := bytes.Index(data, []byte(mark))
	if at < 0 {
		return 0
	}
	start := bytes.LastIndexByte(data[:at], '\n') + 1
	found := pattern.FindIndex(data[start:])
	if found == nil {
		return 0
	}
	return 1 + bytes.Count(data[:start+found[1]-1], []byte{'\n'})
}

// begins reports whether the first line that is not blank begins with this text as a word of its own.
func begins(data []byte, line string) bool {
	rest, ok := bytes.CutPrefix(bytes.TrimLeft(data, " \t\r\n"), []byte(line))
	return ok && (len(rest) == 0 || rest[0] == '\n' || rest[0] == '\r' || rest[0] == ' ')
}

// pointerLFS follows the specification: a pointer has less than 1024 bytes, begins with its version, and has an oid
// and a size. Two older versions have other URLs.
func pointerLFS(data []byte) bool {
	if len(data) >= 1024 || !bytes.Contains(data, []byte("\noid sha256:")) || !bytes.Contains(data, []byte("\nsize ")) {
		return false
	}
	for _, url := range []string{"https://git-lfs.github.com/spec/", "https://hawser.github.com/spec/", "http://git-media.io/v/"} {
		if bytes.HasPrefix(data, []byte("version "+url)) {
			return true
		}
	}
	return false
}

// conflict returns the line of the first <<<<<<< that ======= and >>>>>>> follow, each at the beginning of a line. It
// returns 0 if there is none.
func conflict(data []byte) int {
	const (
		outside = iota
		ours
		theirs
	)
	if !bytes.Contains(data, []byte("<<<<<<<")) {
		return 0
	}
	state, begun, line := outside, 0, 0
	for text := range bytes.Lines(data) {
		line++
		switch {
		case mark(text, "<<<<<<<"):
			state, begun = ours, line
		case state == ours && mark(text, "======="):
			state = theirs
		case state == theirs && mark(text, ">>>>>>>"):
			return begun
		}
	}
	return 0
}

// mark reports whether a line consists of a mark, alone or followed by a space and a name.
func mark(line []byte, what string) bool {
	rest, ok := bytes.CutPrefix(line, []byte(what))
	return ok && (len(rest) == 0 || rest[0] == ' ' || rest[0] == '\n' || rest[0] == '\r')
}

// pgpMessage reports whether binary data begins like an encrypted message of OpenPGP. Such a message begins with a
// packet that holds its key, encrypted for a public key (tag 1) or with a passphrase (tag 3); see RFC 9580. Key
// rings, with which images and packages are checked, begin with other packets.
func pgpMessage(data []byte) bool {
	tag, body, next, ok := pgpPacket(data)
	if !ok || next < len(data) && data[next]&0x80 == 0 { // the next byte begins no packet
		return false
	}
	version := data[body]
	switch size := next - body; tag {
	case 1:
		return (version == 3 || version == 6) && size >= 12 && size <= 4096
	case 3:
		return version >= 4 && version <= 6 && size >= 4 && size <= 128 && data[body+1] > 0 && data[body+1] <= 13
	}
	return false
}

// pgpPacket reads the header of the first packet. It returns where the body begins and where the next packet begins.
// ok is false if the data does not begin with a whole packet.
func pgpPacket(data []byte) (tag byte, body, next int, ok bool) {
	if len(data) < 8 || data[0]&0x80 == 0 {
		return 0, 0, 0, false
	}
	var size int
	switch {
	case data[0]&0x40 == 0: // the old format
		tag = data[0] >> 2 & 0x0f
		switch data[0] & 3 {
		case 0:
			body, size = 2, int(data[1])
		case 1:
			body, size = 3, int(data[1])<<8|int(data[2])
		default:
			return 0, 0, 0, false
		}
	case data[1] < 192:
		tag, body, size = data[0]&0x3f, 2, int(data[1])
	case data[1] < 224:
		tag, body, size = data[0]&0x3f, 3, (int(data[1])-192)<<8+int(data[2])+192
	default:
		return 0, 0, 0, false
	}
	return tag, body, body + size, body+size <= len(data)
}
