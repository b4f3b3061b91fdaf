package cluster

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/swarm-operator/swarm-operator/api/config"
	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/diff/plan"
)

// made is what tools make: a key with a certificate of its own.
type made struct {
	key  crypto.Signer
	cert []byte // in DER
}

func root(t *testing.T, key crypto.Signer, change func(*x509.Certificate)) made {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "root"}, NotBefore: at, NotAfter: at.Add(50000 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	if change != nil {
		change(template)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return made{key, der}
}

func ec(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func block(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

func (m made) certPEM() string { return block("CERTIFICATE", m.cert) }

func (m made) keyPEM(t *testing.T) string {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(m.key)
	if err != nil {
		t.Fatal(err)
	}
	return block("PRIVATE KEY", der)
}

// signingOf returns a manifest that names an authority with two files of these texts. A text that is "" makes no file.
func signingOf(t *testing.T, cert, key string) (*v1.Cluster, config.Authority) {
	t.Helper()
	dir := t.TempDir()
	s := config.Authority{CertFile: filepath.Join(dir, "ca.pem"), KeyFile: filepath.Join(dir, "ca.key")}
	for path, text := range map[string]string{s.CertFile: cert, s.KeyFile: key} {
		if text == "" {
			continue
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c := &v1.Cluster{Spec: v1.ClusterSpec{CA: &v1.CA{Signing: "own"}}}
	c.Header = v1.Header{APIVersion: v1.APIVersion, Kind: v1.KindCluster, Metadata: v1.Metadata{Name: v1.ClusterName}}
	return c, s
}

// defined returns a configuration that defines the authority.
func defined(a config.Authority) config.Named {
	return config.Named{Authorities: map[string]config.Authority{"own": a}}
}

func liveRoot(text string) *kinds.Live {
	l := liveFull(nil)
	raw(l).TLSInfo.TrustRoot = text
	return l
}

// compared returns what comes of the files of the authority that a manifest names, once they were read.
func compared(l *kinds.Live, want v1.Object, a config.Authority) *Signing {
	in, read := kinds.Rotate{Live: l}, map[string]kinds.File{}
	if want != nil {
		in.Want = &diff.State{Value: want}
	}
	for names := asks(in, read); len(names) > 0; names = asks(in, read) {
		for _, name := range names {
			read[name] = file(defined(a), name)
		}
	}
	out, _ := signing(l, want, read)
	return out
}

func TestARootOfFilesIsComparedAsItIs(t *testing.T) {
	a, b := root(t, ec(t), nil), root(t, ec(t), nil)
	crlf := strings.ReplaceAll(a.certPEM(), "\n", "\r\n")
	for _, c := range []struct {
		name, live, cert, key string
		same                  bool
	}{
		{"the same", a.certPEM(), a.certPEM(), a.keyPEM(t), true},
		{"the same certificate in another form", a.certPEM(), "# the root\n" + crlf + "\n\n", a.keyPEM(t), true},
		{"the same, and the key is not needed", a.certPEM(), a.certPEM(), "", true},
		{"another", a.certPEM(), b.certPEM(), b.keyPEM(t), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			want, own := signingOf(t, c.cert, c.key)
			got := compared(liveRoot(c.live), want, own)
			if got.Problem != "" || got.Wanted == "" || got.Live == "" || (got.Wanted == got.Live) != c.same {
				t.Errorf("%+v", got)
			}
			if !got.From.Equal(at) || !got.Until.Equal(at.Add(50000*time.Hour)) || got.Path != "spec.ca.signing" {
				t.Errorf("%+v", got)
			}
		})
	}
	for name, text := range map[string]string{"none": "", "no PEM": "root", "two": a.certPEM() + b.certPEM(), "no certificate": block("CERTIFICATE", []byte("x"))} {
		want, own := signingOf(t, b.certPEM(), b.keyPEM(t))
		if got := compared(liveRoot(text), want, own); got.Live != "" || got.Problem != "" || got.Wanted == "" {
			t.Errorf("the swarm's root is %s: %+v", name, got)
		}
	}
	for name, want := range map[string]v1.Object{"no manifest": nil, "no CA": &v1.Cluster{}, "no files": &v1.Cluster{Spec: v1.ClusterSpec{CA: &v1.CA{}}}} {
		if got := compared(liveRoot(a.certPEM()), want, config.Authority{}); got != nil {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestFilesThatAreNoRootSayWhy(t *testing.T) {
	key := ec(t)
	live, good := root(t, ec(t), nil), root(t, key, nil)
	other, again := root(t, ec(t), nil), root(t, live.key, func(c *x509.Certificate) { c.SerialNumber = big.NewInt(2) })
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	_, edKey, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ofRSA, ofEd := root(t, rsaKey, nil), root(t, edKey, nil)
	sec1, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	leaf := root(t, key, func(c *x509.Certificate) { c.IsCA = false })
	noSigner := root(t, key, func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageDigitalSignature })
	legacy := string(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Headers: map[string]string{"Proc-Type": "4,ENCRYPTED", "DEK-Info": "AES-256-CBC,00"}, Bytes: sec1}))
	const ofCert, ofKey = "own.certFile", "own.keyFile"
	for _, c := range []struct{ name, cert, key, file, why string }{
		{"as openssl and cfssl make them", good.certPEM(), block("EC PARAMETERS", []byte{6, 8}) + block("EC PRIVATE KEY", sec1), "", ""},
		{"RSA", ofRSA.certPEM(), block("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(rsaKey)), "", ""},
		{"RSA, PKCS 8", ofRSA.certPEM(), ofRSA.keyPEM(t), "", ""},
		{"no certificate", "", good.keyPEM(t), ofCert, "looking at it: no such file or directory"},
		{"no key", good.certPEM(), "", ofKey, "looking at it: no such file or directory"},
		{"no PEM", "certificate", good.keyPEM(t), ofCert, "it holds no certificate in PEM"},
		{"an endless certificate", strings.Repeat("x", 64<<10+1), good.keyPEM(t), ofCert, "it is longer than 65536 bytes"},
		{"they are mixed up", good.keyPEM(t), good.certPEM(), ofCert, "it holds a PRIVATE KEY; a CERTIFICATE is wanted"},
		{"both in one file", good.certPEM() + good.keyPEM(t), good.keyPEM(t), ofCert, "it holds more than one certificate; the engine takes a root alone"},
		{"a chain", good.certPEM() + other.certPEM(), good.keyPEM(t), ofCert, "it holds more than one certificate; the engine takes a root alone"},
		{"another thing", block("hunter2", []byte("x")), good.keyPEM(t), ofCert, "it holds a PEM block of another type; a CERTIFICATE is wanted"},
		{"nonsense", block("CERTIFICATE", []byte("x")), good.keyPEM(t), ofCert, "its certificate cannot be read"},
		{"a leaf", leaf.certPEM(), leaf.keyPEM(t), ofCert, "its certificate is not one of a CA"},
		{"a CA that may not sign", noSigner.certPEM(), noSigner.keyPEM(t), ofCert, "its certificate is not one of a CA"},
		{"Ed25519", ofEd.certPEM(), ofEd.keyPEM(t), ofCert, "its certificate is signed with Ed25519; the engine takes RSA and ECDSA with SHA-256, SHA-384 or SHA-512"},
		{"the key that the swarm has", again.certPEM(), again.keyPEM(t), ofCert, "it has the same key as the root that the swarm has, and the engine takes no new root of that: make a new key"},
		{"a key of another certificate", good.certPEM(), other.keyPEM(t), ofKey, "it is not the key of the certificate"},
		{"a key of another kind", good.certPEM(), ofRSA.keyPEM(t), ofKey, "it is not the key of the certificate"},
		{"a key that no swarm takes", good.certPEM(), ofEd.keyPEM(t), ofKey, "its key is neither RSA nor ECDSA; the engine takes no other"},
		{"a certificate for a key", good.certPEM(), good.certPEM(), ofKey, "it holds a CERTIFICATE; a PRIVATE KEY, EC PRIVATE KEY or RSA PRIVATE KEY is wanted"},
		{"a key that is none", good.certPEM(), block("PRIVATE KEY", []byte("x")), ofKey, "its private key cannot be read"},
		{"a key that is empty", good.certPEM(), "\n", ofKey, "it holds no private key in PEM"},
		{"a passphrase", good.certPEM(), block("ENCRYPTED PRIVATE KEY", []byte("x")), ofKey, "its key has a passphrase; the operator would have to know that, so it takes a key without one"},
		{"a passphrase of old", good.certPEM(), legacy, ofKey, "its key has a passphrase; the operator would have to know that, so it takes a key without one"},
	} {
		t.Run(c.name, func(t *testing.T) {
			want, own := signingOf(t, c.cert, c.key)
			got, why := compared(liveRoot(live.certPEM()), want, own), ""
			if c.file != "" {
				why = c.file + ": " + c.why
			}
			if got.Problem != why {
				t.Errorf("got %q\nwant %q", got.Problem, why)
			}
		})
	}
	want, own := signingOf(t, "", good.keyPEM(t))
	if err := os.Mkdir(own.CertFile, 0o700); err != nil {
		t.Fatal(err)
	}
	if got := compared(liveRoot(live.certPEM()), want, own); got.Problem != ofCert+": it is not a regular file" {
		t.Errorf("a directory: %q", got.Problem)
	}
	want.Spec.CA.Signing = "other"
	if got := compared(liveRoot(live.certPEM()), want, own); got.Problem != "other.certFile: authorities: of this operator's configuration (--config) does not define it" {
		t.Errorf("an authority that is not defined: %q", got.Problem)
	}
}

// The operator sends the root that was decided on, and changes nothing else of the spec. If the files have changed
// since, nothing is sent.
func TestARootOfFilesIsOneUpdate(t *testing.T) {
	live, next := root(t, ec(t), nil), root(t, ec(t), nil)
	want, own := signingOf(t, "# ours\n"+next.certPEM(), next.keyPEM(t))
	step := func(want *v1.Cluster) plan.Step {
		s := compared(liveRoot(live.certPEM()), want, own)
		return plan.Step{
			Op: diff.Update, Key: want.Key(), Origin: plan.OriginRotates, Does: &kinds.Renewal{Makes: kinds.SignedRoot, Root: s.Wanted},
			Change: diff.Change{Have: &diff.State{Value: liveRoot(live.certPEM())}, Want: &diff.State{Value: want}},
		}
	}
	client, all := serve(t)
	env := kinds.Env{Engine: client, Source: "s", Named: defined(own)}
	if _, err := do(t.Context(), env, step(want)); err != nil {
		t.Fatal(err)
	}
	if len(*all) != 1 {
		t.Fatalf("%d updates", len(*all))
	}
	got := (*all)[0].spec
	wanted := full().Spec
	wanted.Labels[v1.LabelOwner], wanted.Labels[v1.LabelApplied] = "s/Cluster/default", got.Labels[v1.LabelApplied]
	wanted.CAConfig.SigningCACert, wanted.CAConfig.SigningCAKey = next.certPEM(), next.keyPEM(t)
	if d := cmp.Diff(wanted, got); d != "" {
		t.Errorf("the spec (-want +got):\n%s", d)
	}

	other := root(t, ec(t), nil)
	secret := strings.Split(base64.StdEncoding.EncodeToString([]byte(other.keyPEM(t))), "\n")[0]
	for _, c := range []struct {
		name, why string
		change    func()
	}{
		{"another certificate", "it is another certificate than a moment ago", func() { write(t, own.CertFile, other.certPEM()) }},
		{"another key", "it is not the key of the certificate", func() { write(t, own.CertFile, next.certPEM()); write(t, own.KeyFile, other.keyPEM(t)) }},
		{"no certificate", "no such file", func() { _ = os.Remove(own.CertFile) }},
		{"no statement", "the manifest names none", func() { want.Spec.CA.Signing = "" }},
	} {
		write(t, own.CertFile, next.certPEM())
		write(t, own.KeyFile, next.keyPEM(t))
		s := step(want)
		c.change()
		_, err := do(t.Context(), env, s)
		if err == nil || !strings.Contains(err.Error(), c.why) || len(*all) != 1 {
			t.Errorf("%s: %v, %d updates", c.name, err, len(*all)-1)
		}
		for _, text := range []string{secret, strings.Split(other.keyPEM(t), "\n")[1]} {
			if err != nil && strings.Contains(err.Error(), text) {
				t.Errorf("%s: the key is in the error", c.name)
			}
		}
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// The key is asked for only if it is needed. While a file was not read, nothing is replaced.
func TestFilesThatRotationsAskFor(t *testing.T) {
	a, b := root(t, ec(t), nil), root(t, ec(t), nil)
	want, _ := signingOf(t, "", "")
	certFile, keyFile := ownRoot("own")
	has := func(text string) kinds.File { return kinds.File{Content: v1.NewContent([]byte(text))} }
	for _, c := range []struct {
		name     string
		want     v1.Object
		read     map[string]kinds.File
		asks     string
		problem  string
		replaces bool
	}{
		{name: "no manifest"},
		{name: "no files", want: wantRotation()},
		{name: "nothing was read", want: want, asks: certFile, problem: certFile + ": it was not read"},
		{name: "the same root", want: want, read: map[string]kinds.File{certFile: has(a.certPEM())}},
		{name: "another root", want: want, read: map[string]kinds.File{certFile: has(b.certPEM())}, asks: keyFile, problem: keyFile + ": it was not read"},
		{name: "no certificate", want: want, read: map[string]kinds.File{certFile: has("x")}, problem: certFile + ": it holds no certificate in PEM"},
		{name: "an unreadable certificate", want: want, read: map[string]kinds.File{certFile: {Err: errors.New("gone away")}}, problem: certFile + ": gone away"},
		{name: "an unreadable key", want: want, read: map[string]kinds.File{certFile: has(b.certPEM()), keyFile: {Err: errors.New("gone away")}}, problem: keyFile + ": gone away"},
		{name: "both", want: want, read: map[string]kinds.File{certFile: has(b.certPEM()), keyFile: has(b.keyPEM(t))}, replaces: true},
		{name: "other files", want: want, read: map[string]kinds.File{"/x": has(b.certPEM())}, asks: certFile, problem: certFile + ": it was not read"},
	} {
		t.Run(c.name, func(t *testing.T) {
			live := liveRoot(a.certPEM())
			in := kinds.Rotate{Live: live, Now: at, Nodes: &kinds.Nodes{}}
			if c.want != nil {
				in.Have, in.Want = &diff.State{Value: live, Meta: diff.Meta{Mine: true}}, &diff.State{Value: c.want}
			}
			if got := strings.Join(asks(in, c.read), " "); got != c.asks {
				t.Errorf("it asks for %q, want %q", got, c.asks)
			}
			p := plan.Build(nil, plan.Facts{Now: at}, plan.Policy{Source: "s"}, rotate(in, c.read).Part)
			replaces := slices.ContainsFunc(p.Steps, func(s plan.Step) bool { return kinds.RenewalOf(s).Makes == kinds.SignedRoot })
			if refused := strings.Contains(p.Text(nil), c.problem); replaces != c.replaces || !refused {
				t.Errorf("the plan replaces the root: %t\n%s\nwant %q", replaces, p.Text(nil), c.problem)
			}
			for _, name := range []string{certFile, keyFile} {
				if c.problem == "" && strings.Contains(p.Text(nil), name) {
					t.Errorf("something is wrong with %s:\n%s", name, p.Text(nil))
				}
			}
		})
	}
}
