//go:build unix

package sinks

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"filippo.io/age"
	"filippo.io/age/agessh"
	"filippo.io/age/armor"
	"golang.org/x/crypto/ssh"

	"github.com/swarm-operator/swarm-operator/api/config"
	v1 "github.com/swarm-operator/swarm-operator/api/v1"
)

const canary = "SWMKEY-1-canary"

func secret() v1.Content { return v1.NewContent([]byte(canary)) }

func file(path string) config.Sink { return config.Sink{File: path, Volatile: true} }

func ageFile(path string, recipients ...string) config.Sink {
	return config.Sink{Age: &config.AgeSink{File: path, Recipients: recipients}, Volatile: true}
}

func command(argv ...string) config.Sink { return config.Sink{Command: argv} }

func proves(t *testing.T, s config.Sink) error { return Set{"it": s}.Prove(t.Context(), "it") }

func delivers(t *testing.T, s config.Sink, secret v1.Content) error {
	return Set{"it": s}.Deliver(t.Context(), "it", secret)
}

// script returns a sink that runs a shell script. $1 is a directory of the test.
func script(t *testing.T, text string) (config.Sink, string) {
	t.Helper()
	dir := t.TempDir()
	return command("/bin/sh", "-c", text, "sh", dir), dir
}

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func entries(t *testing.T, dir string) int {
	t.Helper()
	list, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

// says checks that an error names the sink and what is wrong, and holds neither the secret nor an argument of a program.
func says(t *testing.T, s config.Sink, err error, text string) {
	t.Helper()
	if err == nil || !strings.HasPrefix(err.Error(), "sink it: ") || !strings.Contains(err.Error(), text) {
		t.Errorf("want an error of %+v that says %q, got %v", s, text, err)
	}
	if text := fmt.Sprintf("%+v %#v", err, err); strings.Contains(text, canary) {
		t.Errorf("the secret is in %s", text)
	} else if len(s.Command) > 0 && strings.Contains(text, s.Command[0]) {
		t.Errorf("the program is in %s", text)
	}
}

func TestAFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	for _, value := range []string{"SWMKEY-1-first", canary, canary} {
		before, _ := os.ReadFile(path)
		if err := proves(t, file(path)); err != nil {
			t.Fatal(err)
		}
		if after, _ := os.ReadFile(path); !bytes.Equal(before, after) {
			t.Error("to prove it changed the file")
		}
		if err := delivers(t, file(path), v1.NewContent([]byte(value))); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(path)
		if err != nil || info.Mode() != 0o600 || read(t, path) != value || entries(t, filepath.Dir(path)) != 2 {
			t.Errorf("it has mode %v and content %q: %v", info.Mode(), read(t, path), err)
		}
		if strings.Contains(read(t, record(path)), value) {
			t.Error("the record has the secret")
		}
	}
}

// What the operator did not write is somebody else's, also if it stands where the operator wrote before.
func TestAFileOfSomebodyElseIsNotReplaced(t *testing.T) {
	recipient := x25519(t).Recipient().String()
	for name, sink := range map[string]func(string) config.Sink{
		"file": file, "age": func(path string) config.Sink { return ageFile(path, recipient) },
	} {
		for _, c := range []struct {
			name    string
			written bool // the operator wrote there before
			theirs  string
		}{
			{"a file that was there", false, "theirs"},
			{"an empty file that was there", false, ""},
			{"a file that somebody edited", true, canary + "\n# checked by ann"},
			{"a file that somebody put in its place", true, "theirs"},
		} {
			t.Run(name+"/"+c.name, func(t *testing.T) {
				path := filepath.Join(t.TempDir(), "key")
				s := sink(path)
				if c.written {
					if err := delivers(t, s, secret()); err != nil {
						t.Fatal(err)
					}
				}
				if err := os.WriteFile(path, []byte(c.theirs), 0o600); err != nil {
					t.Fatal(err)
				}
				says(t, s, proves(t, s), "did not write")
				says(t, s, delivers(t, s, secret()), "did not write")
				says(t, s, Set{"it": s}.Keep("it"), "did not write")
				if got := read(t, path); got != c.theirs {
					t.Errorf("the file has %q now", got)
				}
				if err := os.Remove(path); err != nil {
					t.Fatal(err)
				}
				if err := delivers(t, s, secret()); err != nil {
					t.Errorf("after it was moved away: %v", err)
				}
			})
		}
	}
}

// A kill between the record and the file leaves a file that the operator still knows.
func TestAKillBetweenTheRecordAndTheFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	if err := delivers(t, file(path), v1.NewContent([]byte("SWMKEY-1-first"))); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(record(path), []byte(sum([]byte("SWMKEY-1-first"))+"\n"+sum([]byte("SWMKEY-1-lost"))+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := delivers(t, file(path), secret()); err != nil || read(t, path) != canary {
		t.Errorf("the file has %q: %v", read(t, path), err)
	}
}

// A lost secret is noticed: the file is gone, is another one, or has an older secret.
func TestWhatASinkHas(t *testing.T) {
	recipient := x25519(t).Recipient().String()
	for name, sink := range map[string]func(string) config.Sink{
		"file": file, "age": func(path string) config.Sink { return ageFile(path, recipient) },
	} {
		for _, c := range []struct {
			name   string
			happen func(path string) error
			why    string
		}{
			{"nothing", func(string) error { return nil }, ""},
			{"the file is gone", os.Remove, "its file is gone"},
			{"the directory is gone", func(path string) error { return os.RemoveAll(filepath.Dir(path)) }, "its file is gone"},
			{"somebody has written to it", func(path string) error { return os.WriteFile(path, []byte("theirs"), 0o600) }, "did not write"},
			{"the record is gone", func(path string) error { return os.Remove(record(path)) }, "did not write"},
			{"it is cut short", func(path string) error { return os.Truncate(path, 3) }, "did not write"},
		} {
			t.Run(name+"/"+c.name, func(t *testing.T) {
				path := filepath.Join(t.TempDir(), "key")
				s := sink(path)
				set := Set{"it": s}
				says(t, s, set.Has(t.Context(), "it", secret()), "its file is gone")
				if err := delivers(t, s, v1.NewContent([]byte("SWMKEY-1-first"))); err != nil {
					t.Fatal(err)
				}
				says(t, s, set.Has(t.Context(), "it", secret()), "another token or key")
				if err := delivers(t, s, secret()); err != nil {
					t.Fatal(err)
				}
				if err := c.happen(path); err != nil {
					t.Fatal(err)
				}
				if err := set.Has(t.Context(), "it", secret()); c.why != "" {
					says(t, s, err, c.why)
				} else if err != nil {
					t.Error(err)
				}
			})
		}
	}
}

func TestAProgramThatVerifies(t *testing.T) {
	for text, why := range map[string]string{
		`[ "$(cat)" = ` + canary + ` ]`: "",
		`cat >/dev/null; exit 1`:        "verify: the program ended with exit status 1",
		`exit 0`:                        "has not read all",
	} {
		s := command("/bin/cat")
		s.Verify = []string{"/bin/sh", "-c", text}
		if err := (Set{"it": s}).Has(t.Context(), "it", secret()); why != "" {
			says(t, s, err, why)
		} else if err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
	s := command("/bin/false")
	if err := (Set{"it": s}).Has(t.Context(), "it", secret()); err != nil {
		t.Errorf("nothing verifies, and it says %v", err)
	}
	s.Verify = []string{"/nowhere"}
	says(t, s, Set{"it": s}.Has(t.Context(), "it", secret()), "no such program")
	if err := (Set{"it": s}).Has(t.Context(), "other", secret()); err != nil {
		t.Errorf("what another instance has counts as lost: %v", err)
	}
}

func TestASinkThatIsNotDefined(t *testing.T) {
	set := Set{"vault": command("/bin/cat")}
	for _, err := range []error{set.Prove(t.Context(), "offline"), set.Deliver(t.Context(), "offline", secret()), set.Keep("offline"), Set(nil).Prove(t.Context(), "offline")} {
		if err == nil || err.Error() != "sink offline: this operator's configuration (--config) does not define it" {
			t.Error(err)
		}
	}
}

// No empty secret may replace a key. A caller that has nothing to deliver is mistaken.
func TestAnEmptySecretIsNotDelivered(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	if err := delivers(t, file(path), secret()); err != nil {
		t.Fatal(err)
	}
	for _, s := range []config.Sink{file(path), ageFile(path, x25519(t).Recipient().String()), command("/bin/cat")} {
		says(t, s, delivers(t, s, v1.Content{}), "nothing to deliver")
	}
	if got := read(t, path); got != canary {
		t.Errorf("the file has %q", got)
	}
}

func TestFilesThatCannotBeWritten(t *testing.T) {
	dir := t.TempDir()
	if err := errors.Join(os.Symlink(filepath.Join(dir, "elsewhere"), filepath.Join(dir, "link")), os.Mkdir(filepath.Join(dir, "directory"), 0o700)); err != nil {
		t.Fatal(err)
	}
	id := x25519(t)
	noRoom := "/proc" // root could write anywhere else
	for path, why := range map[string]string{
		filepath.Join(dir, "link"):           "it is a symbolic link",
		filepath.Join(dir, "directory"):      "it is a directory",
		filepath.Join(dir, "missing", "key"): "no such file or directory",
		filepath.Join(noRoom, "key"):         "making a file in /proc",
		"/dev/null":                          "it is not a regular file",
	} {
		for _, s := range []config.Sink{file(path), ageFile(path, id.Recipient().String())} {
			says(t, s, proves(t, s), why)
			says(t, s, delivers(t, s, secret()), why)
		}
	}
	if entries(t, dir) != 2 {
		t.Error("something was left")
	}
}

func x25519(t *testing.T) *age.X25519Identity {
	t.Helper()
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// sshKey returns a public key as it stands in a file, and the identity that opens what is encrypted for it.
func sshKey(t *testing.T, public, private any) (string, age.Identity) {
	t.Helper()
	p, err := ssh.NewPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	id, err := agessh.ParseIdentity(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(p))) + " ada@example", id
}

func TestAnAgeFileIsOpenedByEachRecipient(t *testing.T) {
	one, two := x25519(t), x25519(t)
	hybrid, err := age.GenerateHybridIdentity()
	if err != nil {
		t.Fatal(err)
	}
	edPublic, edPrivate, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	rsaPrivate, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	edText, edID := sshKey(t, edPublic, edPrivate)
	rsaText, rsaID := sshKey(t, &rsaPrivate.PublicKey, rsaPrivate)
	for name, c := range map[string]struct {
		recipients []string
		opens      []age.Identity
	}{
		"one":                {[]string{one.Recipient().String()}, []age.Identity{one}},
		"two":                {[]string{one.Recipient().String(), two.Recipient().String()}, []age.Identity{one, two}},
		"age and ssh":        {[]string{one.Recipient().String(), edText, rsaText}, []age.Identity{one, edID, rsaID}},
		"against the future": {[]string{hybrid.Recipient().String()}, []age.Identity{hybrid}},
	} {
		path := filepath.Join(t.TempDir(), "key.age")
		s := ageFile(path, c.recipients...)
		if err := errors.Join(proves(t, s), delivers(t, s, secret())); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		text := read(t, path)
		if !strings.HasPrefix(text, armor.Header+"\n") || strings.Contains(text, canary) {
			t.Errorf("%s: the file is %q", name, text)
		}
		if info, err := os.Stat(path); err != nil || info.Mode() != 0o600 {
			t.Errorf("%s: the mode is %v, %v", name, info.Mode(), err)
		}
		for _, id := range c.opens {
			plain, err := age.Decrypt(armor.NewReader(strings.NewReader(text)), id)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if got, err := io.ReadAll(plain); err != nil || string(got) != canary {
				t.Errorf("%s: it holds %q, %v", name, got, err)
			}
		}
		if _, err := age.Decrypt(armor.NewReader(strings.NewReader(text)), x25519(t)); err == nil {
			t.Errorf("%s: somebody else opens it", name)
		}
	}
}

func TestRecipientsThatCannotBe(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key.age")
	good := x25519(t)
	hybrid, err := age.GenerateHybridIdentity()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		recipients []string
		why        string
	}{
		{nil, "no recipients"},
		{[]string{"ada"}, "is no public key"},
		{[]string{good.Recipient().String(), good.Recipient().String()[:30]}, "cannot be read"},
		{[]string{good.Recipient().String() + "\n# and a comment"}, "cannot be read"},
		{[]string{"age1yubikey1qwerty"}, "of no plugin"},
		{[]string{"age1pq1nothing"}, "cannot be read"},
		{[]string{"ssh-dss AAAA"}, "cannot be read"},
		{[]string{good.Recipient().String(), hybrid.Recipient().String()}, "encrypting for the recipients"},
	} {
		s := ageFile(path, c.recipients...)
		says(t, s, proves(t, s), c.why)
		says(t, s, delivers(t, s, secret()), c.why)
	}
	private := ageFile(path, good.String())
	err = proves(t, private)
	says(t, private, err, "is no public key")
	if strings.Contains(err.Error(), good.String()[:20]) {
		t.Errorf("a private key is shown: %v", err)
	}
	if entries(t, filepath.Dir(path)) != 0 {
		t.Error("something was written")
	}
}

func TestACommandReadsIt(t *testing.T) {
	t.Setenv("DOCKER_HOST", "tcp://somewhere:2375")
	t.Setenv("HOME", "/home/ada")
	s, dir := script(t, `cat >"$1/got"; env >"$1/env"; echo "$#" "$@" >"$1/args"; echo noise; echo noise >&2`)
	if err := proves(t, s); err != nil {
		t.Fatal(err)
	}
	if entries(t, dir) != 0 {
		t.Fatal("to prove it ran the program")
	}
	if err := delivers(t, s, secret()); err != nil {
		t.Fatal(err)
	}
	if got := read(t, filepath.Join(dir, "got")); got != canary {
		t.Errorf("it read %q", got)
	}
	for line := range strings.Lines(read(t, filepath.Join(dir, "env"))) {
		// What a shell adds itself.
		if name, _, _ := strings.Cut(line, "="); name != "PATH" && name != "HOME" && name != "PWD" && name != "_" && name != "SHLVL" {
			t.Errorf("it has %s in its environment", line)
		}
	}
	if strings.Contains(read(t, filepath.Join(dir, "env"))+read(t, filepath.Join(dir, "args")), canary) {
		t.Error("the secret is in the environment, or the arguments")
	}
}

// A secret larger than a pipe's buffer arrives, if the program reads it.
func TestACommandReadsALot(t *testing.T) {
	s, dir := script(t, `cat >"$1/got"`)
	big := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
	if err := delivers(t, s, v1.NewContent(big)); err != nil {
		t.Fatal(err)
	}
	if got := read(t, filepath.Join(dir, "got")); got != string(big) {
		t.Errorf("%d bytes of %d came through", len(got), len(big))
	}
	s, _ = script(t, `exit 0`)
	says(t, s, delivers(t, s, v1.NewContent(big)), "has not read all")
}

func TestCommandsThatFail(t *testing.T) {
	for text, why := range map[string]string{
		`cat >&2; exit 3`:              "ended with exit status 3",
		`cat; cat /dev/null; exit 1`:   "ended with exit status 1",
		`exec <&-; exit 4`:             "ended with exit status 4",
		`exec <&-; exit 0`:             "has not read all",
		`exit 0`:                       "has not read all",
		`head -c 3 >/dev/null; exit 0`: "has not read all",
		`cat >/dev/null; kill -9 $$`:   "ended with signal: killed",
	} {
		s, _ := script(t, text)
		says(t, s, delivers(t, s, secret()), why)
	}
}

func TestCommandsThatCannotBeRun(t *testing.T) {
	dir := t.TempDir()
	plain, noFormat := filepath.Join(dir, "plain"), filepath.Join(dir, "no-format")
	if err := errors.Join(os.WriteFile(plain, []byte("#!/bin/sh\n"), 0o644), os.WriteFile(noFormat, []byte("\x00"), 0o755)); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		argv []string
		why  string
	}{
		{[]string{}, "not absolute"},
		{[]string{"cat"}, "not absolute"},
		{[]string{filepath.Join(dir, "missing")}, "no such program"},
		{[]string{dir}, "not a regular file"},
		{[]string{plain}, "cannot be run: permission denied"},
	} {
		s := command(c.argv...)
		says(t, s, proves(t, s), c.why)
		says(t, s, delivers(t, s, secret()), c.why)
	}
	s := command(noFormat)
	says(t, s, delivers(t, s, secret()), "exec format error")
}

// alive reports whether a process runs.
func alive(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return syscall.Kill(pid, 0) == nil && !errors.Is(err, os.ErrNotExist)
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(rest, "Z")
}

// hanging returns a sink whose program and its child never end. It also returns the file with their ids, which exists
// once both run.
func hanging(t *testing.T) (config.Sink, string) {
	s, dir := script(t, `trap '' TERM INT; sleep 1000 & echo "$$ $!" >"$1/new"; mv "$1/new" "$1/pids"; cat >/dev/null; wait; sleep 1000`)
	return s, filepath.Join(dir, "pids")
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// gone waits until none of the processes runs.
func gone(t *testing.T, file string) {
	t.Helper()
	for _, text := range strings.Fields(read(t, file)) {
		pid, _ := strconv.Atoi(text)
		// An orphan is reaped in its own time.
		for end := time.Now().Add(time.Minute); alive(pid); time.Sleep(time.Millisecond) {
			if pid == 0 || time.Now().After(end) {
				t.Fatalf("process %d still runs", pid)
			}
		}
	}
}

func TestACommandThatHangsIsKilledWithItsChildren(t *testing.T) {
	s, pids := hanging(t)
	// On a busy machine the program may not have come that far.
	for limit := 100 * time.Millisecond; !exists(pids); limit *= 2 {
		err := Set{"it": s}.with("it", func(s config.Sink) error { return deliver(t.Context(), s, secret(), limit) })
		says(t, s, err, fmt.Sprintf("had not ended after %s, and was killed", limit))
	}
	gone(t, pids)
}

func TestACommandEndsWithTheCaller(t *testing.T) {
	s, pids := hanging(t)
	ctx, cancel := context.WithCancel(t.Context())
	result := make(chan error)
	go func() { result <- Set{"it": s}.Deliver(ctx, "it", secret()) }()
	for !exists(pids) {
		time.Sleep(time.Millisecond)
	}
	cancel()
	err := <-result
	says(t, s, err, "context canceled")
	if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	gone(t, pids)
}

func TestNothingIsDoneForACallerWhoHasGone(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	dir := t.TempDir()
	for _, s := range []config.Sink{file(filepath.Join(dir, "key")), command("/bin/cat")} {
		says(t, s, Set{"it": s}.Prove(ctx, "it"), "context canceled")
		says(t, s, Set{"it": s}.Deliver(ctx, "it", secret()), "context canceled")
	}
	says(t, config.Sink{}, proves(t, config.Sink{}), "one of file, age, command")
	says(t, config.Sink{}, delivers(t, config.Sink{}, secret()), "one of file, age, command")
	if entries(t, dir) != 0 {
		t.Error("something was written")
	}
}
