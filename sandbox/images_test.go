package sandbox

import (
	"net"
	"net/netip"
	"testing"
)

func TestBehaviourOf(t *testing.T) {
	for image, want := range map[string]behaviour{
		"nginx":                     {},
		"web:crash":                 {},
		"crash/web:1":               {},
		"crash":                     {ends: true, exitCode: 1},
		"docker.io/library/crash:2": {ends: true, exitCode: 1},
		"registry.example.com:5000/a/crash:1@sha256:" + zeros: {ends: true, exitCode: 1},
		"exit-3:1":        {ends: true, exitCode: 3},
		"exit-256:1":      {},
		"exit-x":          {},
		"exit-0":          {ends: true},
		"finish:9":        {ends: true},
		"unhealthy:1":     {unhealthy: true},
		"nopull:1":        {refused: true},
		"slow:1":          {startTime: slowTime},
		"not a reference": {},
	} {
		if got := behaviourOf(image); got != want {
			t.Errorf("%s: %+v, want %+v", image, got, want)
		}
	}
	for _, i := range Images() {
		if i.Name != "exit-N:1" && behaviourOf(i.Name) == (behaviour{}) {
			t.Errorf("%s is listed and does nothing", i.Name)
		}
	}
}

const zeros = "0000000000000000000000000000000000000000000000000000000000000000"

func TestAddresses(t *testing.T) {
	a, b := newAddresses("same"), newAddresses("same")
	defer a.close()
	defer b.close()
	seen := map[netip.Addr]bool{}
	for range blockHosts + 1 {
		addr, err := a.next()
		if err != nil {
			t.Fatal(err)
		}
		if seen[addr] {
			t.Fatalf("%s came twice", addr)
		}
		seen[addr] = true
	}
	if len(a.blocks) != 2 {
		t.Errorf("%d addresses took %d blocks", len(seen), len(a.blocks))
	}
	other, err := b.next()
	if err != nil || seen[other] {
		t.Errorf("another sandbox got %s, %v", other, err)
	}
	for addr := range seen {
		wantError(t, b.take(addr), "another one has them")
		break
	}
}

func TestFreePort(t *testing.T) {
	a := newAddresses(t.Name())
	defer a.close()
	addr, err := a.next()
	if err != nil {
		t.Fatal(err)
	}
	first, err := freePort(addr)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", netip.AddrPortFrom(addr, first).String())
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if next, err := freePort(addr); err != nil || next != first+1 {
		t.Errorf("with %d taken the port is %d, %v", first, next, err)
	}
}

func TestVersionLess(t *testing.T) {
	for _, tc := range []struct {
		a, b string
		want bool
	}{{"1.9", "1.40", true}, {"1.40", "1.40", false}, {"1.41", "1.40", false}, {"1.40.1", "1.40", false}, {"1", "1.1", true}} {
		if got := versionLess(tc.a, tc.b); got != tc.want {
			t.Errorf("%s < %s is %v", tc.a, tc.b, got)
		}
	}
}
