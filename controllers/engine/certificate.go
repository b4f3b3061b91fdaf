package engine

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"time"
)

// CertificateExpiry returns when the certificate of a manager expires, which no call of the Engine API tells.
// It begins the handshake that managers do with each other, at the address HOST:PORT in the manager's status. It ends
// the handshake as soon as it has seen the certificate: it shows no certificate, sends no data, and trusts nothing that
// it sees. It fails for workers, because they do not listen.
func CertificateExpiry(ctx context.Context, address string) (time.Time, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		return time.Time{}, fmt.Errorf("looking at the certificate of %s: %w", address, err)
	}
	defer func() { _ = conn.Close() }()
	if deadline, ok := ctx.Deadline(); ok {
		if err := conn.SetDeadline(deadline); err != nil {
			return time.Time{}, fmt.Errorf("looking at the certificate of %s: %w", address, err)
		}
	}
	errSeen := errors.New("seen")
	var expiry time.Time
	c := tls.Client(conn, &tls.Config{
		InsecureSkipVerify: true, // it is looked at, and nothing is sent to whoever shows it
		ServerName:         "swarm-manager",
		MinVersion:         tls.VersionTLS12,
		VerifyPeerCertificate: func(raw [][]byte, _ [][]*x509.Certificate) error {
			if len(raw) == 0 {
				return errors.New("it shows none")
			}
			leaf, err := x509.ParseCertificate(raw[0])
			if err != nil {
				return err
			}
			expiry = leaf.NotAfter
			return errSeen
		},
	})
	if err := c.HandshakeContext(ctx); expiry.IsZero() {
		if err == nil {
			err = errors.New("it shows none")
		}
		return time.Time{}, fmt.Errorf("looking at the certificate of %s: %w", address, err)
	}
	return expiry, nil
}
