package server

import (
	"net"
	"net/netip"
	"regexp"
	"strings"
)

// hosts are the names of the machine, in lower case.
type hosts map[string]bool

var hostName = regexp.MustCompile(`^[a-z0-9_]([a-z0-9_.-]{0,253}[a-z0-9_])?$`)

// IsHost reports whether a host can have this name or address.
func IsHost(name string) bool {
	name = plain(name)
	_, err := netip.ParseAddr(name)
	return err == nil || hostName.MatchString(name)
}

// allow reports whether a request may have this Host header. The port does not matter, because a tunnel may bring
// another one. Every address counts: a page cannot let an address point elsewhere.
func (h hosts) allow(header string) bool {
	host := header
	if name, port, err := net.SplitHostPort(header); err == nil {
		if strings.Trim(port, "0123456789") != "" {
			return false
		}
		host = name
	} else if inside, is := strings.CutPrefix(header, "["); is {
		if host, is = strings.CutSuffix(inside, "]"); !is {
			return false
		}
	}
	host = plain(host)
	if _, err := netip.ParseAddr(host); err == nil {
		return true
	}
	return host == "localhost" || h[host]
}

// plain returns a name in lower case and without the dot at its end, which means the same host.
func plain(name string) string { return strings.ToLower(strings.TrimSuffix(name, ".")) }
