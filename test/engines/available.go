package engines

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
)

// trial does in a box of its own what every run needs: namespaces, mounts and links.
const trial = `set -e
mount --make-rprivate /
mount -t proc proc /proc
mount -t tmpfs tmpfs /run
mkdir -p /run/up /run/work
mount -t overlay -o lowerdir=/etc,upperdir=/run/up,workdir=/run/work overlay /etc
ip link add br0 type bridge
ip link add veth0 type veth peer name veth1
ip link add vx0 type vxlan id 1 dstport 4789
echo ready`

// Available reports whether engines can run on this machine. If they cannot, reason says what is missing.
func Available() (reason string, ok bool) {
	if err := available(); err != nil {
		return err.Error(), false
	}
	return "", true
}

var available = sync.OnceValue(func() error {
	if runtime.GOOS != "linux" {
		return fmt.Errorf("engines need Linux, and this is %s", runtime.GOOS)
	}
	if os.Geteuid() != 0 {
		return fmt.Errorf("engines need root")
	}
	t, err := findTools()
	if err != nil {
		return err
	}
	if len(cgroupMounts()) == 0 {
		return fmt.Errorf("no cgroups are mounted")
	}
	said, err := os.CreateTemp("", "engines-trial")
	if err != nil {
		return err
	}
	defer os.Remove(said.Name())
	defer said.Close()
	b, err := openBox(t, "trial", said, trial)
	if err != nil {
		text, _ := os.ReadFile(said.Name())
		return fmt.Errorf("namespaces cannot be made: %w: %s", err, strings.TrimSpace(string(text)))
	}
	b.close()
	return nil
})

// Need skips a test that needs engines if the machine cannot run them. With CI_NO_SKIP=1 the test fails instead.
func Need(t testing.TB) {
	t.Helper()
	reason, ok := Available()
	switch {
	case ok:
	case os.Getenv("CI_NO_SKIP") == "1":
		t.Fatalf("real engines cannot run: %s; and CI_NO_SKIP forbids skipping", reason)
	default:
		t.Skipf("real engines cannot run: %s", reason)
	}
}
