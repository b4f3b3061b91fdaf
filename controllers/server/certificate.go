package server

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"sync"

	"github.com/go-logr/logr"

	"github.com/swarm-operator/swarm-operator/controllers/files"
)

// mostPEM limits the size of a file with certificates or with a key.
const mostPEM = 1 << 20

// certificate is the server's certificate with its key. If the files change, the next connection gets the new one.
type certificate struct {
	certFile, keyFile string
	log               logr.Logger
	said              said

	mu        sync.Mutex
	cert, key []byte // the files as they were read for pair
	pair      *tls.Certificate
}

// get returns the certificate for a connection. If the files cannot be used, the last one that could stays in force:
// the two files are seldom replaced at the same moment.
func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	err := c.load()
	if c.said.changed(err) {
		if err != nil {
			c.log.Error(err, "the certificate stays as it was, because the new one cannot be used", "certificate", c.certFile, "key", c.keyFile)
		} else {
			c.log.Info("certificate can be read again", "certificate", c.certFile)
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.pair, nil
}

// load reads the files, and uses them if they have changed.
func (c *certificate) load() error {
	cert, err := files.Read(c.certFile, mostPEM)
	if err != nil {
		return fmt.Errorf("the certificate: %w", err)
	}
	key, err := files.Read(c.keyFile, mostPEM)
	if err != nil {
		return fmt.Errorf("the key: %w", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.pair != nil && bytes.Equal(cert, c.cert) && bytes.Equal(key, c.key) {
		return nil
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return err
	}
	c.cert, c.key, c.pair = cert, key, &pair
	return nil
}
