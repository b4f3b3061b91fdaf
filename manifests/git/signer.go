package git

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"strings"
)

// mostSignature limits the size of a signature that is read, in bytes. One with the largest RSA key has a few thousand.
const mostSignature = 64 << 10

// signer returns the key that the signature of a commit names: "ssh SHA256:…" as ssh-keygen shows it, or "openpgp" and the
// fingerprint or the id of the key. It returns "unknown" if the signature is of another kind, or damaged, and "" if there
// is none. Whoever writes a commit writes its signature, so this says nothing of who made the commit until somebody has
// checked the signature.
func signer(signature string) string {
	if strings.TrimSpace(signature) == "" {
		return ""
	}
	const unknown = "unknown"
	if len(signature) > mostSignature {
		return unknown
	}
	block, _ := pem.Decode([]byte(withoutChecksum(signature)))
	if block == nil {
		return unknown
	}
	var key string
	switch block.Type {
	case "SSH SIGNATURE":
		key = signerSSH(block.Bytes)
	case "PGP SIGNATURE":
		key = signerPGP(block.Bytes)
	}
	if key == "" {
		return unknown
	}
	return key
}

// withoutChecksum returns an armored text without the line of its checksum, which OpenPGP adds to what PEM has.
func withoutChecksum(armored string) string {
	lines := strings.SplitAfter(strings.ReplaceAll(armored, "\r\n", "\n"), "\n")
	kept := lines[:0]
	for _, line := range lines {
		if !strings.HasPrefix(line, "=") {
			kept = append(kept, line)
		}
	}
	return strings.Join(kept, "")
}

// signerSSH returns the fingerprint of the public key in a signature (PROTOCOL.sshsig of OpenSSH), or "".
func signerSSH(data []byte) string {
	version, ok := bytes.CutPrefix(data, []byte("SSHSIG"))
	if !ok || !bytes.HasPrefix(version, []byte{0, 0, 0, 1}) {
		return ""
	}
	key, _ := field(version[4:], 4)
	if len(key) == 0 {
		return ""
	}
	sum := sha256.Sum256(key)
	return "ssh SHA256:" + base64.RawStdEncoding.EncodeToString(sum[:])
}

// signerPGP returns the issuer that a signature of OpenPGP names (RFC 9580, 5.2.3), or "". What is signed counts before
// what is not, and then a fingerprint before the id of a key.
func signerPGP(data []byte) string {
	body := signaturePacket(data)
	if len(body) < 4 {
		return ""
	}
	var width int // of the length of each list of subpackets
	switch body[0] {
	case 4:
		width = 2
	case 6:
		width = 4
	default:
		return ""
	}
	hashed, rest := field(body[4:], width)
	unhashed, _ := field(rest, width)
	issuer := issuerIn(hashed)
	if issuer == nil {
		issuer = issuerIn(unhashed)
	}
	if issuer == nil {
		return ""
	}
	return fmt.Sprintf("openpgp %X", issuer)
}

// issuerIn returns the fingerprint or else the id of a key that a list of subpackets names, or nil if it names none. A
// fingerprint is as long as those of keys of version 4 or of later ones. Whoever writes the commit may have put anything
// there, and each line of the record has it.
func issuerIn(list []byte) (issuer []byte) {
	for len(list) > 0 {
		var sub []byte
		if sub, list = packetBody(list); len(sub) == 0 {
			break
		}
		switch kind, value := sub[0]&0x7f, sub[1:]; {
		case kind == 33 && (len(value) == 1+20 || len(value) == 1+32): // the version of the key, and its fingerprint
			return value[1:]
		case kind == 16 && len(value) == 8 && issuer == nil:
			issuer = value
		}
	}
	return issuer
}

// signaturePacket returns the body of the packet that data begins with, or nil if that is no signature.
func signaturePacket(data []byte) []byte {
	const kind = 2
	if len(data) == 0 || data[0]&0x80 == 0 {
		return nil
	}
	head, rest := data[0], data[1:]
	if head&0x40 != 0 {
		if head&0x3f != kind {
			return nil
		}
		body, _ := packetBody(rest)
		return body
	}
	if head>>2&0xf != kind || head&3 == 3 {
		return nil
	}
	body, _ := field(rest, 1<<(head&3))
	return body
}

// packetBody returns what stands behind a length of one, two or five bytes, and what comes after that. It returns nil if
// data is too short.
func packetBody(data []byte) (body, rest []byte) {
	switch {
	case len(data) == 0:
		return nil, nil
	case data[0] < 192:
		return field(data, 1)
	case data[0] < 224 && len(data) > 1: // above that are lengths of parts, which signatures do not come in
		n := (int(data[0])-192)<<8 + int(data[1]) + 192
		return split(data[2:], uint64(n))
	case data[0] == 255:
		return field(data[1:], 4)
	}
	return nil, nil
}

// field returns what stands behind a length of so many bytes, at most four, and what comes after that. It returns nil if
// data is too short.
func field(data []byte, width int) (value, rest []byte) {
	if len(data) < width {
		return nil, nil
	}
	var n uint64
	for _, b := range data[:width] {
		n = n<<8 | uint64(b)
	}
	return split(data[width:], n)
}

// split returns the first n bytes of data and the others. It returns nil if there are fewer.
func split(data []byte, n uint64) (first, rest []byte) {
	if n > uint64(len(data)) {
		return nil, nil
	}
	return data[:n], data[n:]
}
