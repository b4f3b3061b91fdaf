package git_test

import (
	"encoding/base64"
	"strings"
	"testing"

	"github.com/swarm-operator/swarm-operator/manifests/git"
)

const (
	bySSH = `-----BEGIN SSH SIGNATURE-----
U1NIU0lHAAAAAQAAADMAAAALc3NoLWVkMjU1MTkAAAAg34PAL28zGYPuaGXxxiILb36glj
aIIOEK6uvxN3ByNJ0AAAADZ2l0AAAAAAAAAAZzaGE1MTIAAABTAAAAC3NzaC1lZDI1NTE5
AAAAQPOsI/qOZIeKEUHU4DqVB73iwjMiSthIiGbYXJevk3TJ+Mw+6rlmPKt+ZjE1/sNYAy
DWASha52ibakZKmKA6hAk=
-----END SSH SIGNATURE-----
`
	byPGP = `-----BEGIN PGP SIGNATURE-----

iHUEABYIAB0WIQT6sjcY9Lom/tQJGr3SrEQSBjKW1QUCaw4WlwAKCRDSrEQSBjKW
1eFMAP40n3Igktp3gBnGtHbthsaAn+tpho2KQUENNokaT1Lj2AEA+V+CBCEAF4Zc
GfyecSXBEs2gnhN57D4u1h9uH8aaAAc=
=gH1v
-----END PGP SIGNATURE-----
`
	sshKey = "ssh SHA256:y1W/AHwT0AJF21lAPYmukTB+U0B8dyTrUnkFV9+8MkI"
	pgpKey = "openpgp FAB23718F4BA26FED4091ABDD2AC4412063296D5"
)

func TestWhichKeyASignatureNames(t *testing.T) {
	pgp := func(packet string) string {
		return "-----BEGIN PGP SIGNATURE-----\n\n" + base64.StdEncoding.EncodeToString([]byte(packet)) + "\n-----END PGP SIGNATURE-----\n"
	}
	const id = "\x09\x10\x01\x02\x03\x04\x05\x06\x07\x08" // a subpacket with the id of a key
	const other = "\x09\x10\x08\x08\x08\x08\x08\x08\x08\x08"
	fingerprint := func(n int) string { return string([]byte{byte(n + 2), 33, 4}) + strings.Repeat("a", n) }
	signedAs := func(hashed, unhashed string) string {
		body := "\x04\x00\x16\x08\x00" + string([]byte{byte(len(hashed))}) + hashed + "\x00" + string([]byte{byte(len(unhashed))}) + unhashed
		return pgp("\x88" + string([]byte{byte(len(body))}) + body)
	}
	for name, c := range map[string]struct{ signature, want string }{
		"none":                                       {"", ""},
		"nothing but space":                          {" \n", ""},
		"ssh":                                        {bySSH, sshKey},
		"openpgp":                                    {byPGP, pgpKey},
		"with lines of Windows":                      {strings.ReplaceAll(byPGP, "\n", "\r\n"), pgpKey},
		"with a version":                             {strings.Replace(byPGP, "\n\n", "\nVersion: GnuPG v2\n\n", 1), pgpKey},
		"without a checksum":                         {strings.Replace(byPGP, "=gH1v\n", "", 1), pgpKey},
		"an id that is not signed":                   {pgp("\x88\x12\x04\x00\x16\x08\x00\x00\x00\x0a" + id + "\x00\x00"), "openpgp 0102030405060708"},
		"an id, with an old length":                  {pgp("\x89\x00\x12\x04\x00\x16\x08\x00\x0a" + id + "\x00\x00\x00\x00"), "openpgp 0102030405060708"},
		"an id, with a new length":                   {pgp("\xc2\xff\x00\x00\x00\x12\x04\x00\x16\x08\x00\x0a" + id + "\x00\x00\x00\x00"), "openpgp 0102030405060708"},
		"version 6":                                  {pgp("\xc2\x16\x06\x00\x1b\x08\x00\x00\x00\x0a" + id + "\x00\x00\x00\x00\x00\x00"), "openpgp 0102030405060708"},
		"another id that is not signed":              {signedAs(id, other), "openpgp 0102030405060708"},
		"another fingerprint that is not signed":     {signedAs(id, fingerprint(20)), "openpgp 0102030405060708"},
		"only a fingerprint that is not signed":      {signedAs("", fingerprint(20)), "openpgp " + strings.Repeat("61", 20)},
		"an id and a fingerprint":                    {signedAs(id+fingerprint(20), ""), "openpgp " + strings.Repeat("61", 20)},
		"two ids":                                    {signedAs(id+other, ""), "openpgp 0102030405060708"},
		"a long fingerprint":                         {signedAs(fingerprint(32), ""), "openpgp " + strings.Repeat("61", 32)},
		"a fingerprint that is too long":             {signedAs(fingerprint(33), ""), "unknown"},
		"a fingerprint that is too short, and an id": {signedAs(fingerprint(1)+id, ""), "openpgp 0102030405060708"},
		"version 3":                                  {pgp("\x88\x04\x03\x05\x00\x00"), "unknown"},
		"a key":                                      {pgp("\x98\x04\x04\x00\x16\x08"), "unknown"},
		"a length that is too large":                 {pgp("\xc2\xff\xff\xff\xff\xff\x04\x00\x16\x08"), "unknown"},
		"lists that are too short":                   {pgp("\x88\x08\x04\x00\x16\x08\xff\xff\xff\xff"), "unknown"},
		"S/MIME":                                     {"-----BEGIN SIGNED MESSAGE-----\nMIIB\n-----END SIGNED MESSAGE-----\n", "unknown"},
		"another word":                               {"ssh SHA256:abc", "unknown"},
		"far too long":                               {bySSH + strings.Repeat("\n", 1<<20), "unknown"},
	} {
		if got := git.Signer(c.signature); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
	for _, whole := range []string{bySSH, byPGP} { // whatever is cut off, nothing panics, and the key is whole or not named
		kind, _, _ := strings.Cut(whole, "\n")
		var data strings.Builder
		for _, line := range strings.Split(whole, "\n")[1:] {
			if !strings.HasPrefix(line, "-") && !strings.HasPrefix(line, "=") {
				data.WriteString(line)
			}
		}
		raw, err := base64.StdEncoding.DecodeString(data.String())
		if err != nil {
			t.Fatal(err)
		}
		for n := range raw {
			cut := kind + "\n" + base64.StdEncoding.EncodeToString(raw[:n]) + "\n" + strings.Replace(kind, "BEGIN", "END", 1) + "\n"
			if got := git.Signer(cut); got != "unknown" && got != sshKey && got != pgpKey {
				t.Errorf("%d bytes of %s: %q", n, kind, got)
			}
		}
	}
}

// The signature is read where the commit is: at its head, by its hash and in the log.
func TestACommitHasTheKeyOfItsSignature(t *testing.T) {
	r := newRepo(t)
	first := r.commit("a", "1", "first")
	head := r.git("cat-file", "commit", "HEAD")
	before, message, _ := strings.Cut(head, "\n\n")
	signed := r.hashObject("commit", []byte(before+"\ngpgsig "+strings.ReplaceAll(strings.TrimSpace(bySSH), "\n", "\n ")+"\n\n"+message))
	r.git("reset", "-q", "--hard", signed)
	s := open(t, r.dir, git.Options{})
	for hash, want := range map[string]string{first: "", signed: sshKey} {
		if c, err := s.At(t.Context(), hash); err != nil || c.Signer != want {
			t.Errorf("%s: the key is %q, %v", hash, c.Signer, err)
		}
	}
	if c, err := s.Head(t.Context()); err != nil || c.Signer != sshKey {
		t.Errorf("the key at the head is %q, %v", c.Signer, err)
	}
}
