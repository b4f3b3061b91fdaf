// Package digests tells one secret from another by digests. The digests stand where everybody can read them who can read
// the engine's API, so nobody must learn a secret from them by guessing. With a key that the API does not have, that is
// impossible. Without a key, each guess costs as much as a digest: argon2id.
package digests

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"sync"

	"golang.org/x/crypto/argon2"
)

// These are the ways to make a digest. A digest begins with the way in which it was made:
//
//	k1:ID:HASH    with the key that has this id
//	a2:SALT:HASH  slowly, without a key, in one pass
//	a1:SALT:HASH  the same in two passes: such digests are compared, and not made any more
const (
	keyed  = "k1"
	slowly = "a2"
	slower = "a1"
)

// passes says what a slow digest costs, by the way in which it was made. What a digest costs is part of it, so that
// another choice makes no secret unknown.
var passes = map[string]uint32{slowly: 1, slower: 2}

const (
	// memory is how much a slow digest takes, in KiB.
	memory = 8 << 10
	// saltSize and idSize are in bytes, and hashSize is in digits. Nobody finds two contents of the same digest by chance.
	saltSize = 16
	idSize   = 4
	hashSize = 20
)

// LeastKey is how many bytes a key has at least. A shorter one could be guessed.
const LeastKey = 32

// Key returns the key that a file contains. Line breaks at its end do not count. It fails if the key is too short. The
// error does not quote the file.
func Key(data []byte) ([]byte, error) {
	key := strings.TrimRight(string(data), "\r\n")
	switch {
	case key == "":
		return nil, errors.New("it is empty; " + makeKey)
	case len(key) < LeastKey:
		return nil, fmt.Errorf("its key has %d bytes, and needs at least %d that nobody can guess; %s", len(key), LeastKey, makeKey)
	}
	return []byte(key), nil
}

const makeKey = "make one with: openssl rand -hex 32"

// Digests makes and compares digests. It remembers the slow ones. It makes one slow digest at a time, because each takes
// 8 MiB. Nil makes slow digests and remembers none.
type Digests struct {
	key []byte
	id  string
	// file is where the key comes from, for people. It is "" if nobody said.
	file string

	mu sync.Mutex
	// made are slow digests, and before are older ones. Those of before that nobody asks for go when made is full.
	made, before map[content]string
}

// content is what a slow digest was made of.
type content struct {
	way, salt, name string
	sum             [sha256.Size]byte
}

// most is how many slow digests are remembered for sure.
const most = 1 << 14

// From returns Digests with the key of a file.
func From(file string, key []byte) *Digests {
	d := New(key)
	d.file = file
	return d
}

// New returns Digests with a key. If the key is nil, they are slow.
func New(key []byte) *Digests {
	d := &Digests{made: map[content]string{}}
	if key != nil {
		d.key, d.id = key, hex.EncodeToString(sum(key, "id", "", nil)[:idSize])
	}
	return d
}

// Salted makes the digests of one source. Nobody has to keep its salt secret. It makes sure that a table of guesses is of
// no use for another source.
type Salted struct {
	// Salt is random. It is nil if nothing is going to be written, so that nobody needs a digest.
	Salt []byte
	*Digests
}

// Of returns the digest of a content. name says what has the content. It is part of the digest, so that two secrets of
// the same content do not show that they are the same.
func (s Salted) Of(name string, data []byte) string {
	if s.Digests != nil && s.key != nil {
		return s.keyed(name, data)
	}
	return s.slow(slowly, hex.EncodeToString(sum(s.Salt, "salt", name, nil)[:saltSize]), name, data)
}

// Plain returns a digest of a content that the API shows anyway. Whoever sees only the digest, as part of a name, learns
// nothing of the content without the salt.
func (s Salted) Plain(name string, data []byte) string {
	return hex.EncodeToString(sum(s.Salt, "plain", name, data))[:hashSize]
}

// Same reports whether a digest was made of this content. known is false if that cannot be told: see [Digests.Why].
func (d *Digests) Same(digest, name string, data []byte) (same, known bool) {
	switch why, way, salt := d.read(digest); {
	case why != "":
		return false, false
	case way == keyed:
		return hmac.Equal([]byte(digest), []byte(d.keyed(name, data))), true
	default:
		return hmac.Equal([]byte(digest), []byte(d.slow(way, salt, name, data))), true
	}
}

// Why says why a digest cannot be compared. It is "" if it can be.
func (d *Digests) Why(digest string) string {
	why, _, _ := d.read(digest)
	return why
}

// read returns how a digest was made, and the salt of a slow one. why says why it cannot be compared.
func (d *Digests) read(digest string) (why, way, salt string) {
	parts := strings.Split(digest, ":")
	well := len(parts) == 3 && len(parts[2]) == hashSize
	way = parts[0]
	switch {
	case digest == "":
		return "nothing says what it contains", "", ""
	case well && passes[way] > 0 && len(parts[1]) == 2*saltSize:
		return "", way, parts[1]
	case !well || way != keyed:
		return "its digest has a form that this release does not know", "", ""
	case d == nil || d.key == nil:
		return "its digest was made with a key; give that key with --hash-key-file", "", ""
	case parts[1] != d.id:
		if d.file != "" {
			return fmt.Sprintf("its digest was made with another key than the one in %s; give the file with that key with --hash-key-file", d.file), "", ""
		}
		return "its digest was made with another key than that of --hash-key-file", "", ""
	}
	return "", way, ""
}

func (d *Digests) keyed(name string, data []byte) string {
	return keyed + ":" + d.id + ":" + hex.EncodeToString(sum(d.key, "content", name, data))[:hashSize]
}

// slow returns the slow digest of a content.
func (d *Digests) slow(way, salt, name string, data []byte) string {
	of := content{way, salt, name, sha256.Sum256(data)}
	if d == nil {
		return of.digest(data)
	}
	return d.remembered(of, func() string { return of.digest(data) })
}

// remembered returns a digest that is remembered, or makes it.
func (d *Digests) remembered(of content, make func() string) string {
	d.mu.Lock()
	defer d.mu.Unlock()
	if known := d.made[of]; known != "" {
		return known
	}
	digest := d.before[of]
	if digest == "" {
		digest = make()
	}
	if len(d.made) >= most {
		d.made, d.before = map[content]string{}, d.made
	}
	d.made[of] = digest
	return digest
}

func (c content) digest(data []byte) string {
	hash := argon2.IDKey(sum(nil, "content", c.name, data), []byte(c.salt), passes[c.way], memory, 1, hashSize/2)
	return c.way + ":" + c.salt + ":" + hex.EncodeToString(hash)
}

// sum returns a keyed hash of a content. what says what the hash is for, so that one for something else cannot be taken
// for it.
func sum(key []byte, what, name string, data []byte) []byte {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte("swarm-operator " + what + "\x00" + name + "\x00"))
	mac.Write(data)
	return mac.Sum(nil)
}
