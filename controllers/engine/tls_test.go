package engine

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	dcontext "github.com/docker/cli/cli/context"
)

// authority signs certificates for a test.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pem  []byte
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{}
	a.key, _ = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "ca"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, a.key.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	a.cert, _ = x509.ParseCertificate(der)
	a.pem = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	return a
}

func (a *authority) sign(t *testing.T, end time.Time, ips ...net.IP) (cert, key []byte) {
	t.Helper()
	k, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "x"}, IPAddresses: ips,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}, NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: end,
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, a.cert, k.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	raw, _ := x509.MarshalPKCS8PrivateKey(k)
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw})
}

// tlsEngine starts an engine on 127.0.0.1 with a certificate of ca for these addresses. If clients is set, it
// requires a certificate of that authority.
func tlsEngine(t *testing.T, ca *authority, end time.Time, ip string, clients *authority) string {
	t.Helper()
	cert, key := ca.sign(t, end, net.ParseIP(ip))
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewUnstartedServer(pinged("1.41", emptyList))
	s.TLS = &tls.Config{Certificates: []tls.Certificate{pair}}
	if clients != nil {
		s.TLS.ClientAuth, s.TLS.ClientCAs = tls.RequireAndVerifyClientCert, x509.NewCertPool()
		s.TLS.ClientCAs.AddCert(clients.cert)
	}
	s.Config.ErrorLog = quiet
	s.StartTLS()
	t.Cleanup(s.Close)
	return "tcp://" + s.Listener.Addr().String()
}

func TestTLS(t *testing.T) {
	clean(t)
	ca, other := newAuthority(t), newAuthority(t)
	cert, key := ca.sign(t, time.Now().Add(time.Hour))
	wrongCert, wrongKey := other.sign(t, time.Now().Add(time.Hour))
	dir := t.TempDir()
	for name, raw := range map[string][]byte{"ca.pem": ca.pem, "cert.pem": cert, "key.pem": key, "other.pem": other.pem, "wrong.pem": wrongCert, "wrong.key": wrongKey} {
		writeFile(t, filepath.Join(dir, name), string(raw))
	}
	in := func(name string) string { return filepath.Join(dir, name) }
	verify := true
	with := func(ca, cert, key string) TLS {
		return TLS{Verify: &verify, CACert: in(ca), Cert: in(cert), Key: in(key)}
	}
	later := time.Now().Add(time.Hour)
	plain := httptest.NewServer(pinged("1.41", emptyList))
	t.Cleanup(plain.Close)
	secure := tlsEngine(t, ca, later, "127.0.0.1", ca)

	for _, tt := range []struct {
		name, host string
		tls        TLS
		want       string
	}{
		{"mutual", secure, with("ca.pem", "cert.pem", "key.pem"), ""},
		{"wrong CA", secure, with("other.pem", "cert.pem", "key.pem"), "signed by an authority that is not trusted here (check --tlscacert)"},
		{"wrong client certificate", secure, with("ca.pem", "wrong.pem", "wrong.key"), "it wants a client certificate that it trusts (check --tlscert and --tlskey)"},
		{"another name", tlsEngine(t, ca, later, "10.9.9.9", nil), with("ca.pem", "cert.pem", "key.pem"), "its certificate is for another name"},
		{"expired", tlsEngine(t, ca, time.Now().Add(-time.Hour), "127.0.0.1", nil), with("ca.pem", "cert.pem", "key.pem"), "its certificate is not valid"},
		{"TLS to a plain engine", "tcp://" + plain.Listener.Addr().String(), with("ca.pem", "cert.pem", "key.pem"), "is the engine speaking TLS? It answered in plain text"},
		{"plain to a TLS engine", secure, TLS{}, "the engine speaks TLS, and this client does not"},
		{"--tls without verification", tlsEngine(t, other, later, "10.9.9.9", ca), TLS{Enable: true, CACert: in("ca.pem"), Cert: in("cert.pem"), Key: in("key.pem")}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, err := Open(Options{Host: tt.host, TLS: tt.tls})
			if err != nil {
				t.Fatal(err)
			}
			for _, call := range []func(*Client) error{nodes, services} {
				err := call(c)
				if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
					t.Errorf("%v, want %q", err, tt.want)
				}
				if err != nil && classesOf(err) != "unavailable" {
					t.Errorf("%v is in %q", err, classesOf(err))
				}
			}
		})
	}
	t.Run("DOCKER_CERT_PATH", func(t *testing.T) {
		t.Setenv("DOCKER_CERT_PATH", dir)
		t.Setenv("DOCKER_TLS_VERIFY", "1")
		c, err := Open(Options{Host: secure})
		if err != nil || services(c) != nil {
			t.Error(err, services(c))
		}
	})
	t.Run("a docker context", func(t *testing.T) {
		config := dockerConfig(t, `{}`)
		addContext(t, config, "remote", dcontext.EndpointMetaBase{Host: secure}, map[string][]byte{"ca.pem": ca.pem, "cert.pem": cert, "key.pem": key})
		addContext(t, config, "skip", dcontext.EndpointMetaBase{Host: tlsEngine(t, other, later, "10.9.9.9", nil), SkipTLSVerify: true}, nil)
		for _, name := range []string{"remote", "skip"} {
			c, err := Open(Options{Context: name})
			if err != nil || services(c) != nil {
				t.Error(name, err, services(c))
			}
		}
	})
}

func TestBadTLSFiles(t *testing.T) {
	clean(t)
	dir := t.TempDir()
	const canary = "canary-55aa"
	writeFile(t, filepath.Join(dir, "ca.pem"), canary)
	_, err := Open(Options{Host: "tcp://a:1", TLS: TLS{Enable: true, CACert: filepath.Join(dir, "ca.pem")}})
	if err == nil || !strings.Contains(err.Error(), "the CA file holds no certificate") || strings.Contains(err.Error(), canary) {
		t.Error(err)
	}
	writeFile(t, filepath.Join(dir, "ca.pem"), string(newAuthority(t).pem))
	writeFile(t, filepath.Join(dir, "key.pem"), canary)
	writeFile(t, filepath.Join(dir, "cert.pem"), canary)
	_, err = Open(Options{Host: "tcp://a:1", TLS: TLS{Enable: true, CACert: filepath.Join(dir, "ca.pem"), Cert: filepath.Join(dir, "cert.pem"), Key: filepath.Join(dir, "key.pem")}})
	if err == nil || !strings.Contains(err.Error(), "client certificate and key") || strings.Contains(err.Error(), canary) {
		t.Error(err)
	}
}
