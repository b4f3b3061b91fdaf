package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/moby/swarmkit/v2/ca"
	"github.com/moby/swarmkit/v2/manager"
	"github.com/moby/swarmkit/v2/manager/encryption"
)

// locked returns a directory whose key is locked with kek, or not locked if kek is nil.
func locked(t *testing.T, kek []byte) string {
	t.Helper()
	dir := t.TempDir()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	key := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	of := &x509.Certificate{SerialNumber: big.NewInt(1)}
	if der, err = x509.CreateCertificate(rand.Reader, of, of, private.Public(), private); err != nil {
		t.Fatal(err)
	}
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	paths := ca.NewConfigPaths(filepath.Join(dir, "certificates"))
	if err := ca.NewKeyReadWriter(paths.Node, kek, manager.RaftDEKData{}).Write(certificate, key, &ca.KEKData{KEK: kek, Version: 5}); err != nil {
		t.Fatal(err)
	}
	return dir
}

func keyOf(dir string) string { return filepath.Join(dir, "certificates", "swarm-node.key") }

func TestALockedDirectoryIsOpenedWithItsKey(t *testing.T) {
	t.Parallel()
	kek := encryption.GenerateSecretKey()
	dir := locked(t, kek)
	if err := open(dir, strings.NewReader(encryption.HumanReadableKey(kek)+"\n")); err != nil {
		t.Fatal(err)
	}
	paths := ca.NewConfigPaths(filepath.Join(dir, "certificates"))
	if _, _, err := ca.NewKeyReadWriter(paths.Node, nil, manager.RaftDEKData{}).Read(); err != nil {
		t.Errorf("without a key it cannot be read: %v", err)
	}
	if err := open(dir, strings.NewReader("")); err == nil || err.Error() != dir+" is not locked, so nothing was done" {
		t.Errorf("opened once more, it says %v", err)
	}
}

// A directory that cannot be opened stays as it is. The error says what to do, and shows nothing of what was given for a key.
func TestADirectoryThatCannotBeOpenedStaysAsItIs(t *testing.T) {
	t.Parallel()
	other := encryption.HumanReadableKey(encryption.GenerateSecretKey())
	damaged := locked(t, nil)
	if err := os.WriteFile(keyOf(damaged), []byte("nonsense"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ dir, in, want string }{
		"nothing is there":       {t.TempDir(), other, "is DIR the swarm directory of an engine, such as /var/lib/docker/swarm?"},
		"the key is damaged":     {damaged, other, "DIR/certificates/swarm-node.key is damaged: it has no private key in PEM"},
		"nothing was given":      {locked(t, encryption.GenerateSecretKey()), "", "the standard input has no unlock key; give one line that begins with SWMKEY-1-"},
		"no key was given":       {locked(t, encryption.GenerateSecretKey()), "a canary", "the standard input has no unlock key"},
		"another key was given":  {locked(t, encryption.GenerateSecretKey()), other, "DIR is locked with another key, so nothing was done"},
		"there are several keys": {locked(t, encryption.GenerateSecretKey()), other + "\n" + other, "the standard input has no unlock key"},
	} {
		before, _ := os.ReadFile(keyOf(c.dir))
		err := open(c.dir, strings.NewReader(c.in))
		if err == nil {
			t.Errorf("%s: it is opened", name)
			continue
		}
		text := strings.ReplaceAll(err.Error(), c.dir, "DIR")
		if !strings.Contains(text, c.want) || strings.Contains(text, "canary") || strings.Contains(text, other) {
			t.Errorf("%s: it says %q, want %q and no key", name, text, c.want)
		}
		if after, _ := os.ReadFile(keyOf(c.dir)); string(after) != string(before) {
			t.Errorf("%s: the key has changed", name)
		}
	}
}
