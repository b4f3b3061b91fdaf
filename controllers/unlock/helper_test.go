package unlock

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-logr/logr"
	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/engine"
)

const daemon = "Error response from daemon: "

// fake is an engine that is locked with a key, or open with one.
type fake struct {
	mu     sync.Mutex
	away   error // the error of every call, if set
	state  swarm.LocalNodeState
	worker bool
	disk   v1.Content // the key that opens it
	now    v1.Content // its key while it is open; empty if autolock is off
	noKey  error      // the error of asking for the key, if set
	unlock func(key string) error
	looks  []time.Time
	tried  []string
}

func (f *fake) Describe(context.Context) (engine.About, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.looks = append(f.looks, time.Now())
	return engine.About{State: f.state, Manager: f.state == swarm.LocalNodeStateActive && !f.worker}, f.away
}

func (f *fake) SwarmGetUnlockKey(context.Context) (client.SwarmGetUnlockKeyResult, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return client.SwarmGetUnlockKeyResult{Key: string(f.now.Reveal())}, errors.Join(f.away, f.noKey)
}

func (f *fake) SwarmUnlock(_ context.Context, o client.SwarmUnlockOptions) (client.SwarmUnlockResult, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.tried = append(f.tried, o.Key)
	switch {
	case f.unlock != nil:
		return client.SwarmUnlockResult{}, f.unlock(o.Key)
	case f.state != swarm.LocalNodeStateLocked:
		return client.SwarmUnlockResult{}, errors.New(daemon + "swarm is not locked")
	case o.Key != string(f.disk.Reveal()):
		return client.SwarmUnlockResult{}, errors.New(daemon + "swarm could not be unlocked: invalid key provided")
	}
	f.state = swarm.LocalNodeStateActive
	return client.SwarmUnlockResult{}, nil
}

func (f *fake) set(change func(*fake)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change(f)
}

// count returns how many looks there were since the last count, and with which keys.
func (f *fake) count() (int, []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n, keys := len(f.looks), f.tried
	f.looks, f.tried = nil, nil
	return n, keys
}

// helping is a helper at work, in a bubble with its own time.
type helping struct {
	*testing.T
	engine *fake
	ring   string
	wake   chan engine.Event
	log    *bytes.Buffer
	end    func() error
}

// help runs a helper, with the clock and all timers of synctest.
func help(t *testing.T, f *fake, ring ...int) *helping {
	h := &helping{T: t, engine: f, ring: filepath.Join(t.TempDir(), "swarm-operator", "keys"), wake: make(chan engine.Event), log: &bytes.Buffer{}}
	if len(ring) > 0 {
		var r Ring
		for i, n := range ring {
			r = append(r, Key{key(n), time.Now().UTC().AddDate(0, 0, -i)})
		}
		if err := errors.Join(os.Mkdir(filepath.Dir(h.ring), 0o700), save(h.ring, r)); err != nil {
			t.Fatal(err)
		}
	}
	log := logr.FromSlogHandler(slog.NewTextHandler(h.log, &slog.HandlerOptions{Level: slog.Level(-10)}))
	ctx, cancel := context.WithCancel(t.Context())
	result := make(chan error, 1)
	go func() {
		result <- New(Options{Engine: f, Ring: h.ring, Every: time.Minute, Wake: h.wake, Now: time.Now, Log: log}).Run(ctx)
	}()
	h.end = sync.OnceValue(func() error { cancel(); return <-result })
	synctest.Wait()
	return h
}

// done ends the helper, and looks for keys in its log.
func (h *helping) done() {
	h.Helper()
	if err := h.end(); err != nil {
		h.Errorf("it ended with %v", err)
	}
	for n := range 10 {
		if strings.Contains(h.log.String(), text(n)[9:20]) {
			h.Errorf("key %d is in the log: %s", n, h.log)
		}
	}
}

func (h *helping) keys(want string) {
	h.Helper()
	r, err := Load(h.ring)
	var got []string
	for _, k := range r {
		for n := range 20 {
			if k.is(key(n)) {
				got = append(got, fmt.Sprint(n))
			}
		}
	}
	if err != nil || strings.Join(got, " ") != want {
		h.Errorf("the ring has %s, want %s: %v", got, want, err)
	}
	if info, err := os.Stat(h.ring); err != nil || info.Mode() != 0o600 {
		h.Errorf("its mode is %v, %v", info.Mode(), err)
	}
}

func (h *helping) tried(want ...int) {
	h.Helper()
	_, got := h.engine.count()
	var texts []string
	for _, n := range want {
		texts = append(texts, text(n))
	}
	if !slices.Equal(got, texts) {
		h.Errorf("%d keys were tried, want %v", len(got), want)
	}
}

func (h *helping) pass(d time.Duration) {
	time.Sleep(d) // time of the bubble
	synctest.Wait()
}

func (h *helping) connected() {
	h.wake <- engine.Event{Type: engine.Reconnected}
	synctest.Wait()
}

func open(n int) *fake   { return &fake{state: swarm.LocalNodeStateActive, now: key(n)} }
func locked(n int) *fake { return &fake{state: swarm.LocalNodeStateLocked, disk: key(n), now: key(n)} }

func TestItKeepsTheKeysOfItsEngine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := help(t, open(1))
		h.keys("1")
		h.engine.set(func(f *fake) { f.now = key(2) })
		h.pass(59 * time.Second)
		h.keys("1")
		h.pass(time.Second)
		h.keys("2 1")
		// Autolock is off; a manager that is down still needs the old key.
		h.engine.set(func(f *fake) { f.now = v1.Content{} })
		h.pass(time.Minute)
		h.keys("2 1")
		h.engine.set(func(f *fake) { f.worker = true })
		h.pass(time.Minute)
		h.engine.set(func(f *fake) { f.worker, f.now = false, key(3) })
		h.pass(time.Minute)
		h.keys("3 2 1")
		h.tried()
		h.done()
	})
}

func TestItOpensItsEngine(t *testing.T) {
	for name, c := range map[string]struct {
		disk  int
		ring  []int
		tried []int
	}{
		"with the newest":        {3, []int{3, 2, 1}, []int{3}},
		"with an old one":        {1, []int{3, 2, 1}, []int{3, 2, 1}},
		"rotated while it was a": {2, []int{2}, []int{2}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := locked(c.disk)
				f.now = key(9)
				h := help(t, f, c.ring...)
				h.tried(c.tried...)
				h.pass(time.Second)
				h.keys("9 " + strings.Trim(fmt.Sprint(c.ring), "[]"))
				h.tried()
				h.done()
			})
		})
	}
}

func TestAWrongKeyIsTriedOnceALock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := help(t, locked(5), 1, 2, 3)
		h.tried(1, 2, 3)
		for range 10 {
			h.pass(time.Minute)
			h.connected() // a proxy that cuts connections is no new start
		}
		h.tried()
		if n := strings.Count(h.log.String(), "no key of the ring opens it"); n != 1 {
			t.Errorf("it said so %d times", n)
		}
		t.Log("a person adds the right one at the end")
		file, err := os.OpenFile(h.ring, os.O_APPEND|os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := fmt.Fprintf(file, "2020-01-01T00:00:00Z %s\n", text(5)); err != nil {
			t.Fatal(err)
		}
		if err := file.Close(); err != nil {
			t.Fatal(err)
		}
		h.pass(time.Minute)
		h.tried(5)
		h.pass(time.Second)
		h.keys("5 1 2 3")
		t.Log("what was wrong may be right the next time")
		h.engine.set(func(f *fake) { f.state, f.disk = swarm.LocalNodeStateLocked, key(2) })
		h.connected()
		h.tried(5, 1, 2)
		h.done()
	})
}

// unreachable returns the error of an engine that is not there.
func unreachable(t *testing.T) error {
	t.Helper()
	c, err := engine.Open(engine.Options{Host: "unix://" + filepath.Join(t.TempDir(), "none.sock")})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_, err = c.Describe(t.Context())
	if !engine.IsUnavailable(err) {
		t.Fatal(err)
	}
	return err
}

func TestItWaitsForAnEngineThatIsAway(t *testing.T) {
	away := unreachable(t)
	synctest.Test(t, func(t *testing.T) {
		f := locked(1)
		f.away = away
		h := help(t, f, 1)
		h.pass(time.Hour)
		if n, _ := f.count(); n < 60 || n > 70 {
			t.Errorf("it looked %d times in an hour", n)
		}
		f.set(func(f *fake) { f.away = nil })
		h.connected()
		h.tried(1)
		h.done()
		if n := strings.Count(h.log.String(), "waiting for the engine"); n != 1 {
			t.Errorf("it said so %d times", n)
		}
	})
}

// An engine that was away has started again, and may then accept what it refused.
func TestAStartIsANewLock(t *testing.T) {
	away := unreachable(t)
	synctest.Test(t, func(t *testing.T) {
		h := help(t, locked(5), 1)
		h.tried(1)
		h.engine.set(func(f *fake) { f.away = away })
		h.pass(time.Minute)
		h.engine.set(func(f *fake) { f.away, f.disk = nil, key(1) })
		h.connected()
		h.tried(1)
		h.done()
	})
}

// A manager answers only when it is part of the swarm again, and that depends on the others.
func TestWhatTheEngineDoesNotSayIsNoVerdict(t *testing.T) {
	late := timedOut(t)
	synctest.Test(t, func(t *testing.T) {
		f := locked(1)
		f.unlock = func(string) error { return errors.New(daemon + "swarm component could not be started: no space left") }
		h := help(t, f, 1, 2)
		h.tried(1)
		h.pass(time.Second)
		h.tried(1)
		h.engine.set(func(f *fake) {
			f.unlock = func(string) error {
				f.state = swarm.LocalNodeStatePending
				return late
			}
		})
		h.pass(2 * time.Second)
		h.tried(1)
		if !strings.Contains(h.log.String(), `msg="manager unlocked"`) {
			t.Errorf("it does not say so: %s", h.log)
		}
		f.set(func(f *fake) {
			f.state, f.unlock = swarm.LocalNodeStateLocked, func(key string) error { return fmt.Errorf("proxy: %s is bad", key) }
		})
		h.connected()
		h.tried(1)
		h.done()
		if !strings.Contains(h.log.String(), "the answer repeats the key") {
			t.Errorf("it does not say so: %s", h.log)
		}
	})
}

// timedOut returns the error of a call that takes too long.
func timedOut(t *testing.T) error {
	t.Helper()
	dir, err := os.MkdirTemp("", "u") // short, because a socket's path has at most 107 bytes
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	listener, err := net.Listen("unix", filepath.Join(dir, "s")) // nobody accepts
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	c, err := engine.Open(engine.Options{Host: "unix://" + filepath.Join(dir, "s"), CallTimeout: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err = c.Describe(t.Context()); !engine.IsTimeout(err) {
		t.Fatal(err)
	}
	return err
}

// Without a quorum the helper cannot ask for the key. It asks as soon as it can.
func TestItAsksForTheKeyUntilItGetsIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := locked(1)
		f.now, f.noKey = key(2), errors.New(daemon+"rpc error: code = Unknown desc = The swarm does not have a leader.")
		h := help(t, f, 1)
		h.pass(4 * time.Second)
		h.keys("1")
		f.set(func(f *fake) { f.noKey = nil })
		h.pass(5 * time.Second)
		h.keys("2 1")
		h.done()
	})
}

func TestRingsThatCannotBe(t *testing.T) {
	for name, c := range map[string]struct {
		make func(path string) error
		why  string
	}{
		"broken":     {func(p string) error { return os.WriteFile(p, []byte(text(1)), 0o600) }, "line 1 is not a time and a key"},
		"readable":   {func(p string) error { return os.WriteFile(p, nil, 0o640) }, "others may read or write it (mode 0640)"},
		"a link":     {func(p string) error { return os.Symlink("/dev/null", p) }, "not a regular file"},
		"a folder":   {func(p string) error { return os.Mkdir(p, 0o700) }, "not a regular file"},
		"huge":       {func(p string) error { return errors.Join(os.WriteFile(p, nil, 0o600), os.Truncate(p, mostRing+1)) }, "is no key ring"},
		"no folders": {func(p string) error { return os.Remove(filepath.Dir(p)) }, "making the directory"},
		"no room":    {func(string) error { return nil }, "writing the key ring /proc/keys-of-nobody: making a file in /proc"},
	} {
		dir := filepath.Join(t.TempDir(), "a", "b")
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		ring := filepath.Join(dir, "keys")
		if name == "no room" {
			ring = "/proc/keys-of-nobody"
		} else if err := c.make(ring); err != nil {
			t.Fatal(err)
		}
		if name == "no folders" {
			if err := os.Remove(filepath.Dir(dir)); err != nil {
				t.Fatal(err)
			}
		}
		before, _ := os.ReadFile(ring)
		f := open(2)
		err := New(Options{Engine: f, Ring: ring, Every: time.Minute, Now: time.Now, Log: logr.Discard()}).Run(t.Context())
		if err == nil || !strings.Contains(err.Error(), ring) || !strings.Contains(err.Error(), c.why) || strings.Contains(err.Error(), text(1)) {
			t.Errorf("%s: %v, want %q", name, err, c.why)
		}
		if after, _ := os.ReadFile(ring); !bytes.Equal(before, after) || len(f.looks) > 0 {
			t.Errorf("%s: it was changed, or the engine was asked", name)
		}
	}
}

// The helper reports a ring that breaks while it runs, and does not overwrite it. Once somebody has repaired it, the
// helper goes on.
func TestARingThatBreaksLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := help(t, open(1))
		broken := []byte("2026-01-01T00:00:00Z " + text(1)[:20] + "\n")
		if err := os.WriteFile(h.ring, broken, 0o600); err != nil {
			t.Fatal(err)
		}
		h.engine.set(func(f *fake) { f.now = key(2) })
		h.pass(5 * time.Minute)
		if now, err := os.ReadFile(h.ring); err != nil || !bytes.Equal(now, broken) {
			t.Errorf("it was written over: %v", err)
		}
		if n := strings.Count(h.log.String(), "the key is not kept"); n != 1 {
			t.Errorf("it said so %d times: %s", n, h.log)
		}
		h.engine.set(func(f *fake) { f.state, f.disk = swarm.LocalNodeStateLocked, key(2) })
		h.pass(5 * time.Minute)
		h.tried()
		if err := save(h.ring, Ring{{key(2), day(1)}, {key(1), day(0)}}); err != nil {
			t.Fatal(err)
		}
		h.pass(time.Minute)
		h.tried(2)
		t.Log("one that is gone is made again")
		if err := os.Remove(h.ring); err != nil {
			t.Fatal(err)
		}
		if _, err := Load(h.ring); !errors.Is(err, fs.ErrNotExist) {
			t.Error(err)
		}
		h.pass(time.Minute)
		h.keys("2")
		h.done()
	})
}
