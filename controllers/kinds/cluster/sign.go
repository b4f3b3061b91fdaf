package cluster

import (
	"encoding/pem"
	"errors"
	"fmt"

	"github.com/moby/moby/api/types/swarm"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/files"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
)

const largestPEM = 64 << 10 // in bytes; a chain of certificates needs a tenth of it

// file reads a file that a manifest names.
func file(path string) kinds.File {
	text, err := files.Read(path, largestPEM)
	return kinds.File{Content: v1.NewContent(text), Err: err}
}

// sign puts the certificate and the key into an update. It reads both again. It fails if the certificate is not the
// one that was decided on, or if the key does not fit.
func sign(ca *swarm.CAConfig, stated *v1.CA, root string) error {
	if stated == nil || stated.Signing == nil {
		return errors.New("replacing the root of the CA: the manifest names none")
	}
	cert, err := certIn(file(stated.Signing.CertFile))
	if err != nil {
		return fmt.Errorf("%s: %s: %w", pathSigningCert, stated.Signing.CertFile, err)
	}
	if digest(cert) != root {
		return fmt.Errorf("%s: %s: it is another certificate than a moment ago", pathSigningCert, stated.Signing.CertFile)
	}
	key, err := keyIn(file(stated.Signing.KeyFile), cert)
	if err != nil {
		return fmt.Errorf("%s: %s: %w", pathSigningKey, stated.Signing.KeyFile, err)
	}
	ca.SigningCACert = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw}))
	ca.SigningCAKey = string(key.Reveal())
	return nil
}
