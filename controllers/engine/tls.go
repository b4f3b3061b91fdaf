package engine

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	dcontext "github.com/docker/cli/cli/context"
	"github.com/docker/go-connections/tlsconfig"
	"github.com/moby/moby/client"
)

// tlsFiles are the docker CLI's TLS flags after its defaults (cli/flags.ClientOptions.SetDefaultOptions).
type tlsFiles struct {
	enable, verify bool
	ca, cert, key  string
}

func (t TLS) resolve(configDir string) tlsFiles {
	verify := os.Getenv(client.EnvTLSVerify) != ""
	if t.Verify != nil {
		verify = *t.Verify
	}
	dir := cmp.Or(os.Getenv(client.EnvOverrideCertPath), configDir)
	return tlsFiles{
		enable: t.Enable || t.Verify != nil || verify || os.Getenv("DOCKER_TLS") != "",
		verify: verify,
		ca:     cmp.Or(t.CACert, filepath.Join(dir, "ca.pem")),
		cert:   cmp.Or(t.Cert, ifExists(filepath.Join(dir, "cert.pem"))),
		key:    cmp.Or(t.Key, ifExists(filepath.Join(dir, "key.pem"))),
	}
}

// ifExists makes a default client certificate optional. As docker does, it requires one only if a flag names it.
func ifExists(path string) string {
	if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
		return ""
	}
	return path
}

func (t tlsFiles) load() (*tls.Config, error) {
	data, err := dcontext.TLSDataFromFiles(t.ca, t.cert, t.key)
	if err != nil {
		return nil, err
	}
	return tlsConfig(data, !t.verify)
}

// tlsConfig is a copy of cli/context/docker.Endpoint.tlsConfig, which is not exported.
func tlsConfig(data *dcontext.TLSData, skipVerify bool) (*tls.Config, error) {
	conf := tlsconfig.ClientDefault()
	conf.InsecureSkipVerify = skipVerify
	if data == nil {
		return conf, nil
	}
	if data.CA != nil {
		conf.RootCAs = x509.NewCertPool()
		if !conf.RootCAs.AppendCertsFromPEM(data.CA) {
			return nil, errors.New("the CA file holds no certificate")
		}
	}
	if data.Cert != nil && data.Key != nil {
		pair, err := tls.X509KeyPair(data.Cert, data.Key)
		if err != nil {
			return nil, fmt.Errorf("client certificate and key: %w", err)
		}
		conf.Certificates = []tls.Certificate{pair}
	}
	return conf, nil
}
