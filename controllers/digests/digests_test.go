package digests_test

import (
	"bytes"
	"fmt"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/swarm-operator/swarm-operator/controllers/digests"
)

var (
	one   = digests.New(bytes.Repeat([]byte("1"), digests.LeastKey))
	other = digests.New(bytes.Repeat([]byte("2"), digests.LeastKey))
	bare  = digests.New(nil)
)

func salted(d *digests.Digests) digests.Salted {
	return digests.Salted{Salt: []byte("a salt"), Digests: d}
}

func TestKey(t *testing.T) {
	whole := strings.Repeat("k", digests.LeastKey)
	for _, c := range []struct{ name, file, key, why string }{
		{"a key", whole, whole, ""},
		{"a key and a line break", whole + "\n", whole, ""},
		{"a key and line breaks of Windows", whole + "\r\n\r\n", whole, ""},
		{"two lines", whole + "\n" + whole + "\n", whole + "\n" + whole, ""},
		{"bytes", "\n\x00 " + whole, "\n\x00 " + whole, ""},
		{"nothing", "", "", "it is empty; make one with: openssl rand -hex 32"},
		{"line breaks", "\r\n\n", "", "it is empty; make one with: openssl rand -hex 32"},
		{"a short key", whole[1:] + "\n\n\n", "", "its key has 31 bytes, and needs at least 32 that nobody can guess; make one with: openssl rand -hex 32"},
	} {
		t.Run(c.name, func(t *testing.T) {
			key, err := digests.Key([]byte(c.file))
			why := ""
			if err != nil {
				why = err.Error()
			}
			if string(key) != c.key || why != c.why {
				t.Errorf("got %q, %q", key, why)
			}
		})
	}
}

// A digest says how it was made. Whoever can compare it knows the content again, and takes no other for it.
func TestSame(t *testing.T) {
	made := map[string]string{
		"with a key":       salted(one).Of("Secret/a", []byte("s3cret")),
		"with another key": salted(other).Of("Secret/a", []byte("s3cret")),
		"without a key":    salted(bare).Of("Secret/a", []byte("s3cret")),
		"by a build that had digests of one kind": "01234567:0123456789abcdef0123",
		"by nobody":              "",
		"by a newer release":     "k2:01234567:0123456789abcdef0123",
		"and cut off":            salted(one).Of("Secret/a", []byte("s3cret"))[:20],
		"without a key, and cut": salted(bare).Of("Secret/a", []byte("s3cret"))[:40],
	}
	const (
		needs   = "its digest was made with a key; give that key with --hash-key-file"
		another = "its digest was made with another key than that of --hash-key-file"
		form    = "its digest has a form that this release does not know"
	)
	for _, c := range []struct {
		made string
		by   *digests.Digests
		why  string
	}{
		{"with a key", one, ""},
		{"with a key", other, another},
		{"with a key", bare, needs},
		{"with a key", nil, needs},
		{"with another key", other, ""},
		{"with another key", one, another},
		{"without a key", one, ""},
		{"without a key", other, ""},
		{"without a key", bare, ""},
		{"without a key", nil, ""},
		{"by a build that had digests of one kind", one, form},
		{"by a build that had digests of one kind", bare, form},
		{"by nobody", one, "nothing says what it contains"},
		{"by a newer release", one, form},
		{"and cut off", one, form},
		{"without a key, and cut", bare, form},
	} {
		t.Run(fmt.Sprintf("%s, compared by %s", c.made, name(c.by)), func(t *testing.T) {
			digest := made[c.made]
			for _, content := range []struct {
				name, data string
				same       bool
			}{{"Secret/a", "s3cret", true}, {"Secret/a", "s3cret ", false}, {"Secret/a", "", false}, {"Secret/b", "s3cret", false}} {
				same, known := c.by.Same(digest, content.name, []byte(content.data))
				if known != (c.why == "") || same != (known && content.same) {
					t.Errorf("%s %q: same %t, known %t", content.name, content.data, same, known)
				}
			}
			if why := c.by.Why(digest); why != c.why {
				t.Errorf("why: %q, want %q", why, c.why)
			}
		})
	}
}

func name(d *digests.Digests) string {
	return map[*digests.Digests]string{one: "one", other: "another", bare: "one without a key", nil: "nobody"}[d]
}

// A salt that was lost makes no digest unreadable, and gives the same content another one.
func TestSalt(t *testing.T) {
	again := digests.Salted{Salt: []byte("another salt"), Digests: bare}
	was, is := salted(bare).Of("Secret/a", []byte("x")), again.Of("Secret/a", []byte("x"))
	if was == is {
		t.Error("two salts make one digest")
	}
	for _, digest := range []string{was, is} {
		if same, known := again.Same(digest, "Secret/a", []byte("x")); !same || !known {
			t.Errorf("%s: same %t, known %t", digest, same, known)
		}
	}
	if salted(one).Of("Secret/a", []byte("x")) != (digests.Salted{Salt: []byte("another salt"), Digests: one}).Of("Secret/a", []byte("x")) {
		t.Error("with a key the salt counts, and is lost with the memory")
	}
}

// What can be read of a digest is the same for every content, except the hash.
func TestWhatADigestShows(t *testing.T) {
	for _, c := range []struct {
		by    *digests.Digests
		looks string
	}{{one, `^k1:[0-9a-f]{8}:[0-9a-f]{20}$`}, {bare, `^a2:[0-9a-f]{32}:[0-9a-f]{20}$`}} {
		a, b := salted(c.by).Of("Secret/a", []byte("x")), salted(c.by).Of("Secret/a", []byte("y"))
		if !regexp.MustCompile(c.looks).MatchString(a) || len(a) != len(b) || a == b {
			t.Errorf("%s and %s", a, b)
		}
		if a != salted(c.by).Of("Secret/a", []byte("x")) {
			t.Error("the same content got another digest")
		}
		if salted(c.by).Of("Secret/b", []byte("x"))[len(a)-20:] == a[len(a)-20:] {
			t.Error("two secrets of one content show it")
		}
	}
	if one.Why("k1:00000000:0123456789abcdef0123") == "" {
		t.Error("the id of a key is nothing of the key")
	}
}

// What earlier builds made in two passes is compared as before. Nothing looks changed, and another content is noticed.
func TestDigestsOfTwoPassesAreStillKnown(t *testing.T) {
	const made = "a1:3fbf21c5312b7fe04bd9b69e120536fd:f7ae67b3015e4838435a" // of Secret/a and s3cret, with the salt of salted
	for _, by := range []*digests.Digests{one, bare, nil} {
		for content, want := range map[string]bool{"s3cret": true, "s3cret2": false, "": false} {
			if same, known := by.Same(made, "Secret/a", []byte(content)); same != want || !known {
				t.Errorf("%s, %q: same %t, known %t", name(by), content, same, known)
			}
		}
		if why := by.Why(made); why != "" {
			t.Errorf("%s: %s", name(by), why)
		}
	}
	now := salted(bare).Of("Secret/a", []byte("s3cret"))
	if now == made || now[:2] == made[:2] {
		t.Errorf("it is still made so: %s", now)
	}
	// The ways do not mix: what one remembers is not the other's.
	for _, wrong := range []string{"a2" + made[2:], "a1" + now[2:], "a3" + now[2:]} {
		if same, _ := bare.Same(wrong, "Secret/a", []byte("s3cret")); same {
			t.Errorf("%s counts as the same", wrong)
		}
	}
}

// A slow digest takes 8 MiB. It is made once in the life of a process, also if several ask for it at once.
func TestSlowDigestsAreRemembered(t *testing.T) {
	const memory = 8 << 20
	d := salted(digests.New(nil))
	taken := func(do func()) uint64 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		do()
		runtime.ReadMemStats(&after)
		return after.TotalAlloc - before.TotalAlloc
	}
	digest := ""
	if n := taken(func() {
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() { d.Of("Secret/a", []byte("x")) })
		}
		all.Wait()
		digest = d.Of("Secret/a", []byte("x"))
	}); n < memory || n > memory*3/2 {
		t.Errorf("eight of one content took %d bytes, and one takes %d", n, memory)
	}
	if n := taken(func() {
		for range 100 {
			d.Same(digest, "Secret/a", []byte("x"))
		}
	}); n > memory/2 {
		t.Errorf("a hundred that were known took %d bytes", n)
	}
	if n := taken(func() { d.Same(digest, "Secret/a", []byte("y")) }); n < memory {
		t.Errorf("another content took %d bytes", n)
	}
	if n := taken(func() { salted(one).Of("Secret/a", []byte("z")) }); n > memory/2 {
		t.Errorf("one with a key took %d bytes", n)
	}
}
