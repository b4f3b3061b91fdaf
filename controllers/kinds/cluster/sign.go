package cluster

import (
	"encoding/pem"
	"errors"
	"fmt"
	"strings"

	"github.com/moby/moby/api/types/swarm"

	"github.com/swarm-operator/swarm-operator/api/config"
	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/files"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
)

const largestPEM = 64 << 10 // in bytes; a chain of certificates needs a tenth of it

// file reads a file of an authority that the operator's configuration defines.
func file(named config.Named, name string) kinds.File {
	authority, which, _ := strings.Cut(name, ".")
	a, is := named.Authorities[authority]
	if !is {
		return kinds.File{Err: errors.New("authorities: of this operator's configuration (--config) does not define it")}
	}
	path := a.CertFile
	if which == "keyFile" {
		path = a.KeyFile
	}
	text, err := files.Read(path, largestPEM)
	return kinds.File{Content: v1.NewContent(text), Err: err}
}

// sign puts the certificate and the key into an update. It reads both again. It fails if the certificate is not the
// one that was decided on, or if the key does not fit.
func sign(ca *swarm.CAConfig, named config.Named, stated *v1.CA, root string) error {
	if stated == nil || stated.Signing == "" {
		return errors.New("replacing the root of the CA: the manifest names none")
	}
	certFile, keyFile := ownRoot(stated.Signing)
	cert, err := certIn(file(named, certFile))
	if err != nil {
		return fmt.Errorf("%s: %s: %w", pathSigning, certFile, err)
	}
	if digest(cert) != root {
		return fmt.Errorf("%s: %s: it is another certificate than a moment ago", pathSigning, certFile)
	}
	key, err := keyIn(file(named, keyFile), cert)
	if err != nil {
		return fmt.Errorf("%s: %s: %w", pathSigning, keyFile, err)
	}
	ca.SigningCACert = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw}))
	ca.SigningCAKey = string(key.Reveal())
	return nil
}
