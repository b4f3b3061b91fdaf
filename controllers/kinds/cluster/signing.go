package cluster

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
)

const pathSigning = "spec.ca.signing"

// ownRoot has the names of the two files of an authority that the operator's configuration defines.
func ownRoot(authority string) (cert, key string) {
	return authority + ".certFile", authority + ".keyFile"
}

// signing compares the certificate that a manifest names with the swarm's root. It returns nil if the manifest names
// none. It looks at the key only if the two differ, and does not keep it: the step that needs the key reads it again.
// lacks is the name of a file that it has to look at and that nobody has read. It is "" if there is none.
func signing(l *kinds.Live, want v1.Object, read map[string]kinds.File) (out *Signing, lacks string) {
	c, is := want.(*v1.Cluster)
	if !is || c.Spec.CA == nil || c.Spec.CA.Signing == "" {
		return nil, ""
	}
	certFile, keyFile := ownRoot(c.Spec.CA.Signing)
	live := rootOf(raw(l).TLSInfo.TrustRoot)
	out = &Signing{Path: pathSigning}
	if live != nil {
		out.Live = digest(live)
	}
	f, lacks := fileOf(certFile, read)
	cert, err := certIn(f)
	if err != nil {
		out.Problem = fmt.Sprintf("%s: %s", certFile, err)
		return out, lacks
	}
	out.Wanted, out.From, out.Until = digest(cert), cert.NotBefore, cert.NotAfter
	if out.Wanted == out.Live {
		return out, ""
	}
	if live != nil && sameKey(live.PublicKey, cert.PublicKey) {
		out.Problem = certFile + ": it has the same key as the root that the swarm has, and the engine takes no new root of that: make a new key"
		return out, ""
	}
	f, lacks = fileOf(keyFile, read)
	if _, err := keyIn(f, cert); err != nil {
		out.Problem = fmt.Sprintf("%s: %s", keyFile, err)
	}
	return out, lacks
}

// fileOf returns a file that was read. If nobody has read it, lacks is its name, and the file has an error.
func fileOf(name string, read map[string]kinds.File) (f kinds.File, lacks string) {
	f, known := read[name]
	if !known {
		return kinds.File{Err: errors.New("it was not read")}, name
	}
	return f, ""
}

// rootOf returns the swarm's root, if that is exactly one certificate, and nil otherwise.
func rootOf(text string) *x509.Certificate {
	block, rest := pem.Decode([]byte(text))
	if block == nil {
		return nil
	}
	if next, _ := pem.Decode(rest); next != nil {
		return nil
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil
	}
	return cert
}

// certIn returns the certificate that a file has. It fails if the engine would not take it for a root (SwarmKit,
// ca.NewRootCA).
func certIn(f kinds.File) (*x509.Certificate, error) {
	if f.Err != nil {
		return nil, f.Err
	}
	block, rest := pem.Decode(f.Content.Reveal())
	if block == nil {
		return nil, errors.New("it holds no certificate in PEM")
	}
	if block.Type != "CERTIFICATE" {
		return nil, fmt.Errorf("it holds a %s; a CERTIFICATE is wanted", known(block.Type))
	}
	if next, _ := pem.Decode(rest); next != nil {
		return nil, errors.New("it holds more than one certificate; the engine takes a root alone")
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	switch {
	case err != nil:
		return nil, errors.New("its certificate cannot be read")
	case !cert.BasicConstraintsValid || !cert.IsCA || cert.KeyUsage != 0 && cert.KeyUsage&x509.KeyUsageCertSign == 0:
		return nil, errors.New("its certificate is not one of a CA")
	}
	switch cert.SignatureAlgorithm {
	case x509.SHA256WithRSA, x509.SHA384WithRSA, x509.SHA512WithRSA, x509.ECDSAWithSHA256, x509.ECDSAWithSHA384, x509.ECDSAWithSHA512:
	default:
		return nil, fmt.Errorf("its certificate is signed with %s; the engine takes RSA and ECDSA with SHA-256, SHA-384 or SHA-512", cert.SignatureAlgorithm)
	}
	pool := x509.NewCertPool()
	pool.AddCert(cert)
	if _, err := cert.Verify(x509.VerifyOptions{Roots: pool, CurrentTime: cert.NotBefore}); err != nil { // the plan says when it is good
		return nil, fmt.Errorf("its certificate cannot be a root: %w", err)
	}
	return cert, nil
}

// keyIn returns the private key of a certificate, from the file that has it. Its errors reveal nothing of the key.
func keyIn(f kinds.File, cert *x509.Certificate) (v1.Content, error) {
	if f.Err != nil {
		return v1.Content{}, f.Err
	}
	block, rest := pem.Decode(f.Content.Reveal())
	for block != nil && block.Type == "EC PARAMETERS" { // openssl ecparam -genkey writes them in front of the key
		block, rest = pem.Decode(rest)
	}
	if block == nil {
		return v1.Content{}, errors.New("it holds no private key in PEM")
	}
	if _, encrypted := block.Headers["DEK-Info"]; encrypted || block.Type == "ENCRYPTED PRIVATE KEY" {
		return v1.Content{}, errors.New("its key has a passphrase; the operator would have to know that, so it takes a key without one")
	}
	var key any
	var err error
	switch block.Type {
	case "PRIVATE KEY":
		key, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	case "EC PRIVATE KEY":
		key, err = x509.ParseECPrivateKey(block.Bytes)
	case "RSA PRIVATE KEY":
		key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	default:
		return v1.Content{}, fmt.Errorf("it holds a %s; a PRIVATE KEY, EC PRIVATE KEY or RSA PRIVATE KEY is wanted", known(block.Type))
	}
	if err != nil {
		return v1.Content{}, errors.New("its private key cannot be read") // without the reason, which may quote the key
	}
	switch k := key.(type) {
	case *rsa.PrivateKey, *ecdsa.PrivateKey:
		if !sameKey(k.(crypto.Signer).Public(), cert.PublicKey) {
			return v1.Content{}, errors.New("it is not the key of the certificate")
		}
	default:
		return v1.Content{}, errors.New("its key is neither RSA nor ECDSA; the engine takes no other")
	}
	return v1.NewContent(pem.EncodeToMemory(block)), nil
}

// known returns the type of a PEM block if it is one that people mix up. Any other text there may be anything, so it
// is not shown.
func known(block string) string {
	switch block {
	case "CERTIFICATE", "CERTIFICATE REQUEST", "PRIVATE KEY", "ENCRYPTED PRIVATE KEY", "EC PRIVATE KEY", "EC PARAMETERS", "RSA PRIVATE KEY", "PUBLIC KEY", "OPENSSH PRIVATE KEY":
		return block
	}
	return "PEM block of another type"
}

func sameKey(a, b crypto.PublicKey) bool {
	k, is := a.(interface{ Equal(crypto.PublicKey) bool })
	return is && k.Equal(b)
}

// digest returns a digest of what a certificate says, whatever its text looks like.
func digest(cert *x509.Certificate) string {
	sum := sha256.Sum256(cert.Raw)
	return "sha256:" + hex.EncodeToString(sum[:])
}
