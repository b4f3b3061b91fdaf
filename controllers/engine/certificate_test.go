package engine

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestCertificateExpiry(t *testing.T) {
	for name, version := range map[string]uint16{"TLS 1.2": tls.VersionTLS12, "TLS 1.3": tls.VersionTLS13} {
		t.Run(name, func(t *testing.T) {
			asked := false
			s := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked = true }))
			s.TLS = &tls.Config{MinVersion: version, MaxVersion: version, ClientAuth: tls.RequireAndVerifyClientCert} // as managers do
			s.Config.ErrorLog = nil
			s.StartTLS()
			defer s.Close()
			end, err := CertificateExpiry(t.Context(), s.Listener.Addr().String())
			if err != nil || !end.Equal(s.Certificate().NotAfter) {
				t.Errorf("%s, %v, want %s", end, err, s.Certificate().NotAfter)
			}
			if asked {
				t.Error("something was sent")
			}
		})
	}
}

func TestCertificateExpiryFailsWithoutACertificate(t *testing.T) {
	listen := func(do func(net.Conn)) string {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = l.Close() })
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				do(c)
			}
		}()
		return l.Addr().String()
	}
	gone := listen(func(net.Conn) {})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := l.Addr().String()
	_ = l.Close()
	for name, address := range map[string]string{
		"nobody listens":   closed,
		"no TLS":           listen(func(c net.Conn) { _, _ = c.Write([]byte("HTTP/1.1 400 Bad Request\r\n\r\n")); _ = c.Close() }),
		"it hangs up":      listen(func(c net.Conn) { _ = c.Close() }),
		"it says nothing":  gone,
		"it is no address": "manager",
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
			defer cancel()
			end, err := CertificateExpiry(ctx, address)
			if err == nil || !end.IsZero() || !strings.Contains(err.Error(), address) {
				t.Errorf("%s, %v", end, err)
			}
		})
	}
}
