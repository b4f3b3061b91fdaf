package sandbox

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
)

// swarmAddrs turns the addresses of a request into those to bind and to advertise. If dockerd would take every
// address of its host, a machine takes its own, because it shares the host with all other machines.
func (e *engine) swarmAddrs(listen, advertise string) (string, string, error) {
	host, port, err := net.SplitHostPort(withPort(listen, e.port))
	if err != nil {
		return "", "", invalid("could not parse listen address " + listen)
	}
	own := host == "" || isInterface(host)
	if !own {
		ip, err := netip.ParseAddr(host)
		if err != nil {
			return "", "", errBadListen
		}
		own = ip.IsUnspecified()
	}
	if own {
		host = e.addr.String()
		if port == strconv.Itoa(firstPort) {
			port = strconv.Itoa(int(e.port))
		}
	}
	if advertise == "" {
		return net.JoinHostPort(host, port), net.JoinHostPort(host, port), nil
	}
	advHost, advPort, err := net.SplitHostPort(advertise)
	if err != nil {
		advHost, advPort = advertise, port
	}
	if isInterface(advHost) {
		advHost = e.addr.String()
	}
	ip, err := netip.ParseAddr(advHost)
	if err != nil || ip.IsUnspecified() {
		return "", "", errBadAdvertise
	}
	if own {
		host = ip.String()
	}
	return net.JoinHostPort(host, port), net.JoinHostPort(ip.String(), advPort), nil
}

func (e *engine) dataPathAddr(s string) (string, error) {
	if s == "" {
		return "", nil
	}
	if isInterface(s) {
		return e.addr.String(), nil
	}
	ip, err := netip.ParseAddr(s)
	if err != nil || ip.IsUnspecified() {
		return "", errBadDataPath
	}
	return ip.String(), nil
}

func isInterface(name string) bool {
	_, err := net.InterfaceByName(name)
	return err == nil
}

func withPort(addr string, port uint16) string {
	if _, _, err := net.SplitHostPort(addr); err == nil {
		return addr
	}
	return net.JoinHostPort(addr, strconv.Itoa(int(port)))
}

func checkPools(pools []netip.Prefix, size uint32) error {
	if len(pools) == 0 {
		return nil
	}
	if size == 0 {
		size = 24
	}
	if size > 29 {
		return fmt.Errorf("subnet size is out of range: %d", size)
	}
	for _, p := range pools {
		if size < uint32(p.Bits()) {
			return fmt.Errorf("invalid CIDR: %q. Subnet size is too small for pool: %d", p, size)
		}
	}
	return nil
}
