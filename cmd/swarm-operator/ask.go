package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/swarm-operator/swarm-operator/controllers/files"
	"github.com/swarm-operator/swarm-operator/controllers/server"
)

// askFlags say how to ask an operator that serves with TLS or wants a token. Those that run has, too, have the same
// names, so that one environment or one file serves both.
type askFlags struct {
	tokenFile, ca, cert string
}

// register adds the flags. tokens is true if what the command asks for may need a token.
func (f *askFlags) register(cmd *cobra.Command, tokens bool) {
	fl := cmd.Flags()
	if tokens {
		fl.Var(place{&f.tokenFile, "FILE"}, "http-token-file", "file with the token that the operator wants, in its first line; such as the one that the operator has itself")
	}
	fl.Var(place{&f.ca, "FILE"}, "http-ca", "ask the operator by TLS, and trust only certificates that were signed by those in this file")
	fl.Var(place{&f.cert, "FILE"}, "http-tls-cert", "ask the operator by TLS, and trust exactly this certificate, whatever names it has; such as the one that the operator has itself. --http-ca counts before it")
}

// asker asks running operators.
type asker struct {
	tokenFile string
	secure    bool // whether an address without a scheme is asked by TLS
	client    *http.Client
}

// open returns an asker. It fails if a file cannot be used.
func (f *askFlags) open() (*asker, error) {
	conf, err := f.trust()
	if err != nil {
		return nil, err
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	if conf != nil {
		transport.TLSClientConfig = conf
	}
	return &asker{f.tokenFile, conf != nil, &http.Client{
		Transport: transport,
		// An operator sends nobody elsewhere, and a token must not follow
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// mostPEM limits the size of a file with certificates.
const mostPEM = 1 << 20

// trust returns which certificates are trusted, or nil if the flags do not say so.
func (f *askFlags) trust() (*tls.Config, error) {
	conf := &tls.Config{MinVersion: tls.VersionTLS12}
	switch {
	case f.ca != "":
		data, err := files.Read(f.ca, mostPEM)
		if err != nil {
			return nil, fmt.Errorf("--http-ca: reading %s: %w", f.ca, err)
		}
		if conf.RootCAs = x509.NewCertPool(); !conf.RootCAs.AppendCertsFromPEM(data) {
			return nil, fmt.Errorf("--http-ca: %s has no certificate", f.ca)
		}
		return conf, nil
	case f.cert != "":
		if _, err := leaf(f.cert); err != nil {
			return nil, err
		}
		conf.InsecureSkipVerify = true // the names in the certificate do not matter, because it has to be this one
		conf.VerifyConnection = func(s tls.ConnectionState) error {
			own, err := leaf(f.cert) // it may have changed
			if err == nil && !bytes.Equal(own, s.PeerCertificates[0].Raw) {
				err = fmt.Errorf("its certificate is not the one in %s (--http-tls-cert)", f.cert)
			}
			return err
		}
		return conf, nil
	}
	return nil, nil
}

// leaf returns the first certificate in a file.
func leaf(path string) ([]byte, error) {
	data, err := files.Read(path, mostPEM)
	if err != nil {
		return nil, fmt.Errorf("--http-tls-cert: reading %s: %w", path, err)
	}
	for {
		var block *pem.Block
		if block, data = pem.Decode(data); block == nil {
			return nil, fmt.Errorf("--http-tls-cert: %s has no certificate", path)
		}
		if block.Type == "CERTIFICATE" {
			return block.Bytes, nil
		}
	}
}

// mostAnswer limits how much of an answer is read. The status of ten thousand objects has some megabytes.
const mostAnswer = 64 << 20

// ask returns the answer of a running operator at an address or URL. flag is what stated that address; it begins the
// error.
func (a *asker) ask(ctx context.Context, flag, operator, path string) (string, error) {
	base, err := a.url(operator)
	if err != nil {
		return "", fmt.Errorf("%s: %w", flag, err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+path, nil)
	if err != nil {
		return "", fmt.Errorf("%s: %w", flag, err)
	}
	if a.tokenFile != "" {
		tokens, err := server.Tokens(a.tokenFile)
		if err != nil {
			return "", fmt.Errorf("--http-token-file: reading %s: %w", a.tokenFile, err)
		}
		req.Header.Set("Authorization", "Bearer "+tokens[0])
	}
	resp, err := a.client.Do(req)
	if err != nil {
		err = plainNetError(err)
		if errors.Is(err, syscall.ECONNREFUSED) {
			err = fmt.Errorf("nothing listens there: %w; does swarm-operator run there, with that --listen?", err)
		}
		return "", fmt.Errorf("asking the operator at %s: %w", operator, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, mostAnswer))
	if err != nil {
		return "", fmt.Errorf("asking the operator at %s: %w", operator, err)
	}
	if resp.StatusCode != http.StatusOK {
		return "", fmt.Errorf("the operator at %s answers %s: %.400s", operator, resp.Status, bytes.TrimSpace(body))
	}
	return string(body), nil
}

// operates reports whether an operator answers at an address. Other programs may listen there, and one that says
// nothing delays the status for a moment. An operator on a busy machine needs some of that. No token is sent to whatever
// listens.
func (a *asker) operates(ctx context.Context, address string) bool {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	base, err := a.url(address)
	if err != nil {
		return false
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+server.Healthz, nil)
	if err != nil {
		return false
	}
	// No proxy, no redirection: only this machine counts
	transport := &http.Transport{DisableKeepAlives: true, TLSClientConfig: a.client.Transport.(*http.Transport).TLSClientConfig.Clone()}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	return strings.HasPrefix(resp.Header.Get("Server"), serverName)
}

// url returns the URL for an address in the form of --listen. A URL only loses its trailing slashes.
func (a *asker) url(operator string) (string, error) {
	if strings.HasPrefix(operator, "http://") || strings.HasPrefix(operator, "https://") {
		return strings.TrimRight(operator, "/"), nil
	}
	host, port, err := net.SplitHostPort(operator)
	if err != nil {
		return "", fmt.Errorf("%q is not an address such as %s: %w", operator, defaultListen, err)
	}
	if host == "" || host == "0.0.0.0" || host == "::" {
		host = "127.0.0.1"
	}
	scheme := "http://"
	if a.secure {
		scheme = "https://"
	}
	return scheme + net.JoinHostPort(host, port), nil
}
