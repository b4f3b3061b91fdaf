package e2e

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"

	"github.com/swarm-operator/swarm-operator/test/harness"
)

// locking turns autolock on, and returns the key.
func (w *world) locking() string {
	w.Helper()
	w.clusterByHand(func(s *swarm.Spec) { s.EncryptionConfig.AutoLockManagers = true })
	w.lockedDisk(w.swarm.Managers()...) // a manager that restarts before that comes up unlocked
	return w.unlockKey()
}

// rotateKey makes a new unlock key, as docker swarm unlock-key --rotate does, and returns it.
func (w *world) rotateKey() string {
	w.Helper()
	w.swarm.Spoil()
	s, old := w.clusterNow(), w.unlockKey()
	if _, err := w.api.SwarmUpdate(w.Context(), client.SwarmUpdateOptions{Version: s.Version, Spec: s.Spec, RotateManagerUnlockKey: true}); err != nil {
		w.Fatal(err)
	}
	w.eventually(func() error {
		if w.unlockKey() == old {
			return errors.New("the key is the old one")
		}
		return nil
	})
	return w.unlockKey()
}

// stateOf returns the state that a node's engine has in its swarm.
func (w *world) stateOf(node string) (swarm.LocalNodeState, error) {
	ctx, cancel := context.WithTimeout(w.Context(), 5*time.Second)
	defer cancel()
	r, err := w.connect(node).Info(ctx, client.InfoOptions{})
	return r.Info.Swarm.LocalNodeState, err
}

func (w *world) becomes(node string, want swarm.LocalNodeState) {
	w.Helper()
	w.eventually(func() error {
		state, err := w.stateOf(node)
		if err == nil && state != want {
			err = fmt.Errorf("%s is %s, not %s", node, state, want)
		}
		return err
	})
}

// restart kills a node and starts it again. It may be locked then.
func (w *world) restart(node string) {
	w.Helper()
	if err := w.swarm.Kill(node); err != nil {
		w.Fatal(err)
	}
	w.start(node)
}

func (w *world) start(node string) {
	w.Helper()
	ctx, cancel := context.WithTimeout(w.Context(), 2*patience)
	defer cancel()
	if err := w.swarm.Start(ctx, node); err != nil {
		w.Fatal(err)
	}
}

// unlocker is the unlock helper of a manager.
type unlocker struct {
	*world
	*harness.Process
	node, ring string
	proxy      *harness.Proxy
	secrets    *canaries
}

// helper starts swarm-operator unlock --watch for a manager, at debug level.
func (c *canaries) helper(node string) *unlocker {
	c.Helper()
	u := &unlocker{world: c.world, node: node, ring: filepath.Join(c.home, "keys of "+node, "ring"), proxy: c.proxyTo(node), secrets: c}
	u.run()
	c.Cleanup(func() {
		u.Process.Kill()
		c.silent("unlock --watch of "+node, u.Stdout()+u.Stderr())
		c.keep("unlock of "+node, u.Stderr())
		if c.Failed() {
			c.Logf("the helper of %s says:\n%s", node, tail(u.Stderr(), 20))
		}
	})
	return u
}

func (u *unlocker) run() {
	u.Helper()
	p, err := harness.Start(binary, u.env(), "unlock", "--watch", "--every", "1s", "--ring", u.ring, "--host", u.proxy.Host(), "--log-level", "debug")
	if err != nil {
		u.Fatal(err)
	}
	u.Process = p
}

// stop ends the helper as a service manager does.
func (u *unlocker) stop() {
	u.Helper()
	ctx, cancel := context.WithTimeout(u.Context(), patience)
	defer cancel()
	if code, err := u.Process.Stop(ctx); code != 0 || err != nil {
		u.Errorf("the helper of %s ends with %d, %v\n%s", u.node, code, err, u.Stderr())
	}
}

// keys waits until the ring has these keys, the newest first.
func (u *unlocker) keys(want ...string) {
	u.Helper()
	u.eventually(func() error {
		data, err := os.ReadFile(u.ring)
		if err != nil {
			return err
		}
		var got []string
		for line := range strings.Lines(string(data)) {
			if fields := strings.Fields(line); !strings.HasPrefix(line, "#") {
				got = append(got, fields[1])
			}
		}
		if strings.Join(got, " ") != strings.Join(want, " ") {
			return fmt.Errorf("the ring of %s has %d keys, and not the %d that it should have, in order", u.node, len(got), len(want))
		}
		return nil
	})
	if info, err := os.Stat(u.ring); err != nil || info.Mode() != 0o600 {
		u.Errorf("the ring's mode is %v, %v", info.Mode(), err)
	}
}

// unlocks returns the keys that were tried, in order.
func (u *unlocker) unlocks() (keys []string) {
	for _, c := range u.proxy.Calls() {
		if c.Path == "/swarm/unlock" {
			_, key, _ := strings.Cut(string(c.Body), `"UnlockKey":"`)
			key, _, _ = strings.Cut(key, `"`)
			keys = append(keys, key)
		}
	}
	return keys
}

// commandLines checks the command lines, which everybody on the machine can see, and the environments, which only
// their owner can.
func (u *unlocker) commandLines() {
	u.Helper()
	var all strings.Builder
	for _, pattern := range []string{"/proc/[0-9]*/cmdline", "/proc/[0-9]*/environ"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			u.Fatal(err)
		}
		for _, name := range found {
			data, _ := os.ReadFile(name) // the process may have ended
			all.Write(append(bytes.ReplaceAll(data, []byte{0}, []byte{' '}), '\n'))
		}
	}
	if text := all.String(); strings.Contains(text, " unlock --watch ") && strings.Contains(text, u.ring) {
		u.secrets.silent("the process list", text)
		return
	}
	u.Error("the helper is not in the process list")
}

// wrongKey returns a key that no engine has.
func wrongKey(n int) string {
	return "SWMKEY-1-" + base64.RawStdEncoding.EncodeToString(bytes.Repeat([]byte{byte(n)}, 32))
}

func ringOf(keys ...string) []byte {
	var b bytes.Buffer
	for i, k := range keys {
		fmt.Fprintf(&b, "%s %s\n", time.Now().AddDate(0, 0, -i).UTC().Format(time.RFC3339), k)
	}
	return b.Bytes()
}

func TestHelpersOpenTheirManagers(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{3, 0})
	c := newCanaries(w)
	first := w.locking()
	c.all[first] = "the first unlock key"
	all := w.swarm.Managers()
	var helpers []*unlocker
	for _, node := range all {
		u := c.helper(node)
		helpers = append(helpers, u)
		u.keys(first)
	}
	last := helpers[len(helpers)-1]

	t.Log("one manager is restarted")
	w.restart(last.node)
	w.becomes(last.node, swarm.LocalNodeStateActive)
	if got := last.unlocks(); len(got) != 1 || got[0] != first {
		t.Errorf("%d keys were tried", len(got))
	}

	t.Log("the key is rotated while it is down: its disk wants the old one")
	if err := w.swarm.Kill(last.node); err != nil {
		t.Fatal(err)
	}
	second := w.rotateKey()
	c.all[second] = "the second unlock key"
	helpers[0].keys(second, first)
	last.keys(first)
	last.proxy.Reset()
	w.start(last.node)
	w.becomes(last.node, swarm.LocalNodeStateActive)
	if got := last.unlocks(); len(got) != 1 || got[0] != first {
		t.Errorf("%d keys were tried", len(got))
	}
	last.keys(second, first)

	t.Log("all are restarted at once, and nobody has a quorum to ask")
	for _, node := range all {
		if err := w.swarm.Kill(node); err != nil {
			t.Fatal(err)
		}
	}
	for _, node := range all {
		w.start(node)
	}
	for _, node := range all {
		w.becomes(node, swarm.LocalNodeStateActive)
	}
	w.eventually(func() error {
		list, err := w.api.NodeList(w.Context(), client.NodeListOptions{})
		for _, n := range list.Items {
			if n.ManagerStatus == nil || n.ManagerStatus.Reachability != swarm.ReachabilityReachable {
				err = errors.Join(err, fmt.Errorf("%s is not reachable", n.Description.Hostname))
			}
		}
		return err
	})
	for _, u := range helpers {
		u.commandLines()
		u.stop()
	}
}

func TestAWrongKeyIsTriedOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 0})
	c := newCanaries(w)
	key, node := w.locking(), w.swarm.Managers()[0]
	c.all[key] = "the unlock key"
	var wrong []string
	for n := range 3 {
		wrong = append(wrong, wrongKey(n+1))
		c.all[wrong[n]] = "a wrong key"
	}
	w.restart(node)
	w.becomes(node, swarm.LocalNodeStateLocked)

	t.Log("a helper whose ring has wrong keys alone tries each once, and goes on looking")
	u := &unlocker{world: w, node: node, ring: filepath.Join(w.home, "ring"), proxy: w.proxyTo(node), secrets: c}
	if err := os.WriteFile(u.ring, ringOf(wrong...), 0o600); err != nil {
		t.Fatal(err)
	}
	u.run()
	t.Cleanup(func() { u.Process.Kill() })
	looked := func() (n int) {
		for _, c := range u.proxy.Calls() {
			if c.Path == "/info" {
				n++
			}
		}
		return n
	}
	w.eventually(func() error {
		if n := looked(); n < 5 {
			return fmt.Errorf("it has looked %d times", n)
		}
		return nil
	})
	if got := u.unlocks(); strings.Join(got, " ") != strings.Join(wrong, " ") {
		t.Errorf("%d keys were tried, want each of the %d wrong ones once, in order", len(got), len(wrong))
	}
	c.silent("unlock --watch", u.Stdout()+u.Stderr())

	t.Log("the same by command")
	for _, from := range []string{"ring", "stdin"} {
		args := []string{"unlock", "--host", w.host(), "--log-level", "debug", "--ring", u.ring}
		in := ""
		if from == "stdin" {
			args, in = append(args, "--key-stdin"), wrong[0]+"\n"
		}
		out := w.typed(in, args...)
		c.silent("unlock", out.out+out.errs)
		if out.code != 2 || !strings.Contains(out.errs, "stays locked") {
			t.Errorf("with keys of %s it says %s", from, out)
		}
	}

	t.Log("a person opens it, and the helper takes its key")
	out := w.typed(key+"\n", "unlock", "--key-stdin", "--host", w.host(), "--log-level", "debug")
	c.silent("unlock", out.out+out.errs)
	if out.code != 0 || out.out != node+" is unlocked\n" {
		t.Errorf("it says %s", out)
	}
	u.keys(append([]string{key}, wrong...)...)
	if got := u.unlocks(); len(got) != len(wrong) {
		t.Errorf("%d keys were tried", len(got))
	}

	t.Log("by command, with the ring that the helper has kept")
	u.stop()
	c.silent("unlock --watch", u.Stdout()+u.Stderr())
	w.restart(node)
	w.becomes(node, swarm.LocalNodeStateLocked)
	out = w.typed("", "unlock", "--ring", u.ring, "--host", w.host(), "--log-level", "debug")
	c.silent("unlock", out.out+out.errs)
	if out.code != 0 || out.out != node+" is unlocked\n" {
		t.Errorf("it says %s", out)
	}
	w.becomes(node, swarm.LocalNodeStateActive)
}

// typed runs a command with a text on its standard input.
func (w *world) typed(in string, args ...string) result {
	w.Helper()
	ctx, cancel := context.WithTimeout(w.Context(), patience)
	defer cancel()
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(ctx, binary, args...)
	cmd.Env, cmd.Stdin, cmd.Stdout, cmd.Stderr = w.env(), io.Reader(strings.NewReader(in)), &out, &errs
	err := cmd.Run()
	if _, ended := errors.AsType[*exec.ExitError](err); err != nil && !ended {
		w.Fatal(err)
	}
	return result{cmd.ProcessState.ExitCode(), out.String(), errs.String()}
}
