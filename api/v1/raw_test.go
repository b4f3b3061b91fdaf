package v1_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
)

const (
	sopsMac = "ENC[AES256_GCM,data:Vg0kVA0C+/s=,iv:q0kx3bGqGbo=,tag:2Yl5jkz5Fw==,type:str]"

	lfs = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 12345\n"
)

// For each text the test states what IsMistaken takes it for, and at which line.
func TestContentThatNobodyMeantIsRecognised(t *testing.T) {
	const (
		pointer  = "a Git LFS pointer and not the file itself"
		annex    = "a git-annex pointer and not the file itself"
		conflict = "text with the marks of a merge conflict (<<<<<<<, ======= and >>>>>>>)"
		sops     = "encrypted by SOPS"
		pgp      = "encrypted by PGP"
		age      = "encrypted with age"
		openssl  = "encrypted by OpenSSL, as transcrypt does it"
	)
	long := strings.Repeat("A", 54)
	for _, c := range []struct {
		name, data, what string // "" if it is content
		line             int
	}{
		{"LFS", lfs, pointer, 1},
		{"LFS with extensions", "version https://git-lfs.github.com/spec/v1\next-0-foo sha256:aa\noid sha256:bb\nsize 1\n", pointer, 1},
		{"LFS of old", strings.Replace(lfs, "https://git-lfs.github.com/spec/v1", "https://hawser.github.com/spec/v1", 1), pointer, 1},
		{"LFS of Windows", strings.ReplaceAll(lfs, "\n", "\r\n"), pointer, 1},
		{"a text about LFS", "A pointer:\n\n" + lfs, "", 0},
		{"a list of pointers", lfs + strings.Repeat("# and so on\n", 100), "", 0},
		{"a version", "version 1\noid sha256:x\nsize 2\n", "", 0},
		{"git-annex", "/annex/objects/SHA256E-s1048576--ab12.bin\n", annex, 1},
		{"a path of that name", "/srv/annex/objects/x\n", "", 0},

		{"git-crypt", "\x00GITCRYPT\x00\x8a\x01\x02", "encrypted by git-crypt", 1},
		{"the word", "GITCRYPT", "", 0},
		{"age, binary", "age-encryption.org/v1\n-> X25519 abc\n--- x\n\x01\x02", age, 1},
		{"age, armored", "-----BEGIN AGE ENCRYPTED FILE-----\nYWdl\n-----END AGE ENCRYPTED FILE-----\n", age, 1},
		{"age, armored, after blank lines", "\n\r\n-----BEGIN AGE ENCRYPTED FILE-----\r\nYWdl\r\n-----END AGE ENCRYPTED FILE-----\r\n", age, 1},
		{"a key of age", "# created: 2026-01-01\nAGE-SECRET-KEY-1ABC\n", "", 0},
		{"a page about age", "see age-encryption.org/v1\n", "", 0},
		{"a bundle that ends with age", "-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n-----BEGIN AGE ENCRYPTED FILE-----\n", "", 0},
		{"PGP, armored", "-----BEGIN PGP MESSAGE-----\n\nhQEM\n-----END PGP MESSAGE-----\n", pgp, 1},
		{"PGP, for a key of RSA", "\x85\x01\x0c\x03" + strings.Repeat("\x11", 0x10b) + "\xd2\xc0\x01", pgp, 1},
		{"PGP, for a key of ECDH", "\x84\x5e\x03" + strings.Repeat("\x12", 0x5d) + "\xd4\x01", pgp, 1},
		{"PGP, with a passphrase", "\x8c\x0d\x04\x09\x03\x02abcdefgh\x60\xd2\x40\x01", pgp, 1},
		{"PGP, in the new format", "\xc3\x0d\x04\x09\x03\x08abcdefgh\x60\xd2\x40\x01", pgp, 1},
		{"a key ring", "\x99\x01\x0d\x04" + strings.Repeat("\x11", 0x10c) + "\xb4\x01a", "", 0},
		{"a public key", "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nmQEN\n-----END PGP PUBLIC KEY BLOCK-----\n", "", 0},
		{"a signed message", "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\nx\n", "", 0},
		{"bytes that begin like PGP", "\x84\x0c\x03\x11\x11\x11\x11\x11\x11\x11\x11\x11\x11\x11\x11\x11", "", 0},
		{"Java's key store", "\xfe\xed\xfe\xed\x00\x00\x00\x02\x00\x00\x00\x01", "", 0},
		{"PKCS#12", "\x30\x82\x09\x51\x02\x01\x03\x30\x82\x09\x17\x06\x09\x2a\x86\x48", "", 0},
		{"ansible-vault", "$ANSIBLE_VAULT;1.1;AES256\n6234\n", "encrypted by ansible-vault", 1},
		{"ansible-vault with an id", "$ANSIBLE_VAULT;1.2;AES256;prod\n6234\n", "encrypted by ansible-vault", 1},
		{"ansible-vault, one variable", "user: app\npassword: !vault |\n  $ANSIBLE_VAULT;1.1;AES256\n  6234\n", "in part encrypted by ansible-vault", 3},
		{"a script that looks for it", "grep -q '^$ANSIBLE_VAULT;1.1;AES256' x\n", "", 0},
		{"transcrypt", "U2FsdGVkX1/" + long[:53] + "\n" + long + "AAAAAAAAAA\nAAAA=\n", openssl, 1},
		{"transcrypt, short", "U2FsdGVkX18xMjM0NTY3ODkwMTIzNDU2\n", openssl, 1},
		{"a value of a program", "U2FsdGVkX18xMjM0NTY3ODkwMTIzNDU2", "", 0},
		{"a setting with one", "key: U2FsdGVkX18xMjM0NTY3ODkwMTIzNDU2\n", "", 0},

		{"SOPS, YAML", "password: " + sopsMac + "\nsops:\n    mac: " + sopsMac + "\n    version: 3.9.0\n", sops, 1},
		{"SOPS, YAML of which nothing is encrypted", "user: app\nsops:\n    lastmodified: \"2026-01-01T00:00:00Z\"\n    mac: " + sopsMac + "\n", sops, 4},
		{"SOPS, JSON", `{"data":"ENC[AES256_GCM,data:Tr7o,iv:1,tag:2,type:str]","sops":{"mac":"` + sopsMac + `","version":"3.8.1"}}`, sops, 1},
		{"SOPS, JSON with a lone mac", "{\n\t\"sops\": {\n\t\t\"mac\": \"ENC[AES256_GCM,data:abc,type:str]\"\n\t}\n}", sops, 3},
		{"SOPS, env", "USER=app\nPASSWORD=" + sopsMac + "\nsops_mac=" + sopsMac + "\nsops_version=3.9.0\n", sops, 2},
		{"SOPS, INI", "[db]\npassword = " + sopsMac + "\n\n[sops]\nmac = " + sopsMac, sops, 2},
		{"SOPS, a comment", "#" + strings.Replace(sopsMac, "type:str", "type:comment", 1) + "\nkey: x\n", sops, 1},
		{"SOPS, one value", sopsMac, sops, 1},
		{"SOPS, a list", "- a\n- " + sopsMac + "\n", sops, 2},
		{"a rule about SOPS", "deny: 'ENC\\[AES256_GCM,.*\\]'\nprefix: \"ENC[AES256_GCM,data:\"\n", "", 0},
		{"a setting named sops", "sops:\n  age: age1abc\n  mac: none\n", "", 0},
		{"creation rules of SOPS", "creation_rules:\n  - path_regex: \\.enc\\.yaml$\n    age: age1abc\n", "", 0},
		{"jasypt", "password=ENC(G6N718UuyPE5bHyWKyuLQSm02auQPUtm)\n", "", 0},

		{"a conflict", "a\n<<<<<<< HEAD\nport=1\n=======\nport=2\n>>>>>>> b\nz\n", conflict, 2},
		{"a conflict without names", "<<<<<<<\n=======\n>>>>>>>", conflict, 1},
		{"a conflict of Windows", "x\r\n<<<<<<< HEAD\r\n1\r\n=======\r\n2\r\n>>>>>>> b\r\n", conflict, 2},
		{"a conflict with the base", "<<<<<<< ours\n1\n||||||| base\n0\n=======\n2\n>>>>>>> theirs\n", conflict, 1},
		{"the second is whole", "<<<<<<< a\n\n<<<<<<< b\n=======\n>>>>>>> c\n", conflict, 3},
		{"a heading", "Title\n=======\ntext\n", "", 0},
		{"headings and quotes", ">>>>>>> quoted\nTitle\n=======\n<<<<<<< x\n", "", 0},
		{"begin and middle", "<<<<<<< HEAD\n=======\n", "", 0},
		{"begin and end", "<<<<<<< HEAD\n>>>>>>> b\n", "", 0},
		{"in another order", "=======\n<<<<<<< HEAD\n>>>>>>> b\n", "", 0},
		{"indented", "  <<<<<<< HEAD\n  =======\n  >>>>>>> b\n", "", 0},
		{"longer", "<<<<<<<<< HEAD\n=========\n>>>>>>>>> b\n", "", 0},
		{"words", "<<<<<<<x\n=======x\n>>>>>>>x\n", "", 0},

		{"nothing", "", "", 0},
		{"one byte", "\x85", "", 0},
		{"text", "server { listen 80; }\n", "", 0},
		{"a secret", "s3cr3t", "", 0},
		{"an é", "\xc3\xa9t\xc3\xa9\n", "", 0},
		{"an image", "\x89PNG\r\n\x1a\n\x00\x00\x00\x0d", "", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, is := v1.IsMistaken([]byte(c.data))
			if m.What != c.what || m.Line != c.line || is != (c.what != "") {
				t.Errorf("%t, %q in line %d, want %q in line %d", is, m.What, m.Line, c.what, c.line)
			}
			for _, spec := range []v1.ContentSpec{{Data: v1.NewContent([]byte(c.data))}, {Data: v1.NewContent([]byte(c.data)), Raw: true}} {
				want := ""
				if is && !spec.Raw {
					want = "spec.data: " + m.Why()
				}
				if c.data == "" {
					continue
				}
				for _, o := range []v1.Object{&v1.Config{Header: named(v1.KindConfig, "c"), Spec: spec}, &v1.Secret{Header: named(v1.KindSecret, "c"), Spec: v1.SecretSpec{Data: spec.Data, Raw: spec.Raw}}} {
					if d := cmp.Diff(want, problems(o)); d != "" {
						t.Errorf("raw %t (-want +got):\n%s", spec.Raw, d)
					}
				}
			}
		})
	}
}

// A message about content shows nothing of the content.
func FuzzMistaken(f *testing.F) {
	for _, seed := range []string{lfs, sopsMac, "<<<<<<< a\n=======\n>>>>>>> b", "\x8c\x0d\x04\x09\x03\x02abcdefgh\x60\xd2\x40\x01", "\xc1\xe0", "$ANSIBLE_VAULT;1.1;AES256"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		m, is := v1.IsMistaken(data)
		if lines := 1 + strings.Count(string(data), "\n"); is && (m.Line < 1 || m.Line > lines) {
			t.Errorf("line %d of %d", m.Line, lines)
		}
		for _, text := range []string{m.Why(), m.WhyNoManifest()} {
			if len(text) > 250 {
				t.Errorf("%q", text)
			}
		}
	})
}
