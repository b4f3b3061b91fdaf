package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"filippo.io/age"
	"filippo.io/age/armor"

	"github.com/moby/moby/client"
)

// file0600 waits until a file has a text that only the engine knows.
func (w *world) file0600(path string, want func() string) {
	w.Helper()
	w.eventually(func() error {
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if string(text) != want() { // neither text is shown
			return fmt.Errorf("%s has something else", path)
		}
		info, err := os.Stat(path)
		if err == nil && info.Mode().Perm() != 0o600 {
			err = fmt.Errorf("%s can be read by others: %v", path, info.Mode())
		}
		return err
	})
}

func TestTokensAndTheUnlockKeyGoWhereTheyShould(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 0})
	w.changesNodes()
	dir := filepath.Join(w.home, "sinks")
	path := func(name string) string { return filepath.Join(dir, name) }
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	script := path("take")
	if err := os.WriteFile(script, []byte("#!/bin/sh\ncat > "+path("taken")+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	escrow := path("missing/key.age")
	w.defines("disk: {file: '"+path("worker")+"', volatile: true}", "vault: {command: ['"+script+"', --secret-argument]}", fmt.Sprintf("offline: {age: {recipients: [%s], file: '%s'}, volatile: true}", id.Recipient(), escrow))
	manifest := func(worker, key int) map[string]string {
		return map[string]string{"c.yaml": cluster(
			fmt.Sprintf("joinTokens: {worker: {rotation: {epoch: %d}, sinks: [disk, vault]}}", worker),
			fmt.Sprintf("autolock: {enabled: true, rotation: {epoch: %d}, escrow: offline}", key),
		)}
	}
	r := w.repo("sinks", manifest(1, 1))
	o := w.operate(w.host(), r, "--repair-after", "0s", "--resync", "2s", "--log-level", "debug")
	token := func() string { return w.clusterNow().JoinTokens.Worker }
	w.file0600(path("worker"), token)
	w.eventually(func() error {
		if text, _ := os.ReadFile(path("taken")); string(text) != token() {
			return fmt.Errorf("the command has not got it")
		}
		return nil
	})
	// The escrow cannot be written, so autolock stays off, and the operator says why.
	o.condition("StepFailed", true)
	if w.clusterNow().Spec.EncryptionConfig.AutoLockManagers {
		t.Error("managers are locked, and the key is nowhere")
	}
	if err := os.Mkdir(path("missing"), 0o700); err != nil {
		t.Fatal(err)
	}
	decrypted := func(file string) string {
		f, err := os.Open(file)
		if err != nil {
			return ""
		}
		defer f.Close()
		plain, err := age.Decrypt(armor.NewReader(f), id)
		if err != nil {
			return ""
		}
		var b strings.Builder
		buf := make([]byte, 1024)
		for {
			n, err := plain.Read(buf)
			b.Write(buf[:n])
			if err != nil {
				return b.String()
			}
		}
	}
	escrowed := func() error {
		if key := w.unlockKey(); key == "" || decrypted(escrow) != key {
			return fmt.Errorf("the escrow has not the key")
		}
		return nil
	}
	w.eventually(escrowed)
	o.condition("KeyNotEscrowed", false)
	o.condition("InSync", true)

	// An escrow that is lost is made again, at the latest when everything is looked at.
	if err := os.Remove(escrow); err != nil {
		t.Fatal(err)
	}
	w.eventually(escrowed)

	// Both are replaced once. The old key stays beside the new one.
	before, key := token(), w.unlockKey()
	hash := r.commit("another epoch", manifest(2, 2))
	w.eventually(escrowed)
	w.eventually(func() error {
		if w.unlockKey() == key || token() == before {
			return fmt.Errorf("nothing was replaced")
		}
		return escrowed()
	})
	w.file0600(path("worker"), token)
	if decrypted(escrow+".1") != key {
		t.Error("the key before is not kept")
	}
	o.inSync(hash)
	now, later := token(), w.unlockKey()

	out := w.want(0, "apply", "--host", w.host(), "--source", r.Dir)
	if token() != now || w.unlockKey() != later {
		t.Errorf("they were replaced again: %s", out)
	}
	for _, secret := range []string{before, now, key, later, "--secret-argument"} {
		for what, text := range map[string]string{"log": o.Stdout() + o.Stderr(), "apply": out.out + out.errs, "memory": w.memories(), "report": w.asked(o, "/api/v1/drift"), "status": w.asked(o, "/api/v1/status"), "metrics": w.asked(o, "/metrics")} {
			if strings.Contains(text, secret) || strings.Contains(text, strings.TrimPrefix(secret, "SWMKEY-1-")) {
				t.Errorf("a secret is in the %s", what)
			}
		}
	}
}

// memories returns everything that the operator has written into the swarm.
func (w *world) memories() string {
	w.Helper()
	list, err := w.api.ConfigList(w.Context(), client.ConfigListOptions{})
	if err != nil {
		w.Fatal(err)
	}
	var b strings.Builder
	for _, c := range list.Items {
		b.Write(c.Spec.Data)
	}
	return b.String()
}

func (w *world) asked(o *operator, path string) string {
	w.Helper()
	_, body, err := o.Get(w.Context(), path)
	if err != nil {
		w.Fatal(err)
	}
	return body
}

// A sink fails while it already has the key. The operator says so as long as this lasts, and tries again.
func TestAnEscrowThatFailsIsTriedAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 0})
	w.changesNodes()
	dir := filepath.Join(w.home, "escrow")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	taken, script := filepath.Join(dir, "taken"), filepath.Join(dir, "take")
	// The script takes the key if it has a place for it. If it has none, it prints the key that it was given.
	if err := os.WriteFile(script, []byte("#!/bin/sh\nread -r key\n[ -e "+dir+"/open ] || { echo \"no place for $key\" >&2; exit 3; }\nprintf %s \"$key\" > "+taken+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	manifest := func(epoch int) map[string]string {
		return map[string]string{"c.yaml": cluster(fmt.Sprintf("autolock: {enabled: true, rotation: {epoch: %d}, escrow: vault}", epoch))}
	}
	w.defines("vault: {command: [" + script + "]}")
	r := w.repo("escrow", manifest(1))
	o := w.operate(w.host(), r, "--repair-after", "0s", "--log-level", "debug")
	c := o.condition("KeyNotEscrowed", true)
	key := w.unlockKey()
	if key == "" {
		t.Fatal("managers are not locked, although the escrow was proved")
	}
	if strings.Contains(c.Message, script) || !strings.Contains(c.Message, "vault") || !strings.Contains(c.Message, "3") {
		t.Errorf("the condition does not say where, or with what it ended: %s", c.Message)
	}
	// While the key is nowhere, it is not replaced by the next one.
	r.commit("another epoch", manifest(2))
	w.holds(2*time.Second, func() error {
		if w.unlockKey() != key {
			return fmt.Errorf("the key was replaced while it was nowhere")
		}
		return nil
	})
	if err := os.WriteFile(filepath.Join(dir, "open"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	w.eventually(func() error {
		text, err := os.ReadFile(taken)
		if now := w.unlockKey(); err == nil && (now == key || string(text) != now) {
			err = fmt.Errorf("the escrow has not the next key")
		}
		return err
	})
	o.condition("KeyNotEscrowed", false)
	o.condition("InSync", true)
	for _, secret := range []string{key, w.unlockKey()} {
		for what, text := range map[string]string{"log": o.Stdout() + o.Stderr(), "report": w.asked(o, "/api/v1/drift"), "memory": w.memories()} {
			if strings.Contains(text, strings.TrimPrefix(secret, "SWMKEY-1-")) {
				t.Errorf("the key is in the %s", what)
			}
		}
	}
}

// A delivery is an effect that people see before it happens, and after: what goes to which sink, and who brings it there.
func TestThePlanShowsWhatGoesToSinks(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 0})
	w.changesNodes()
	canary := w.path("path-canary")
	program := w.path("program-canary")
	if err := os.WriteFile(program, []byte("#!/bin/sh\ntest -e "+canary+" && cat >/dev/null\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	w.defines("disk: {file: '"+w.path("path-canary-token")+"', volatile: true}", "vault: {command: ['"+program+"', --argument-canary]}", "key: {file: '"+w.path("path-canary-key")+"', volatile: true}")
	r := w.repo("plansinks", map[string]string{"c.yaml": cluster("joinTokens: {worker: {sinks: [disk, vault]}}", "autolock: {enabled: true, escrow: key}")})
	config := []string{"--config", w.path("operator.yaml"), "--host", w.host(), "--source", r.Dir}
	var shown []string
	run := func(code int, args ...string) string {
		t.Helper()
		out := w.want(code, append(args, config...)...)
		shown = append(shown, out.out, out.errs)
		return out.out
	}
	says := func(text string, parts ...string) {
		t.Helper()
		w.contains("the output", text, parts...)
	}

	says(run(1, "diff"),
		"→ worker-token  (to sink disk, by the instance that acts: it was not delivered there yet)\n", "→ worker-token  (to sink vault, by the instance that acts: it was not delivered there yet)\n",
		"→ unlock-key  (to sink key, by the instance that acts: made by update of Cluster/default)\n", "1 to update, 3 to deliver")
	says(run(1, "diff", "-o", "json"), `"what": "unlock-key",`, `"to": "key",`, `"why": "made by update of Cluster/default"`)
	says(run(0, "status"), "To deliver\n", "  worker-token  to vault  by the instance that acts  it was not delivered there yet\n")

	// The program fails: what was delivered is said, and what is left.
	out := run(2, "apply", "-o", "json")
	says(out, `"delivered": [`, `"to": "disk",`, `"deliveries": [`, `"to": "vault",`, `(apply)"`)
	says(run(0, "status", "-o", "json"), `"deliveries": [`, `"to": "vault"`)
	if strings.Contains(out[strings.Index(out, `"deliveries"`):strings.Index(out, `"outcome"`)], `"to": "disk"`) {
		t.Errorf("what was delivered is still to be delivered:\n%s", out)
	}
	if err := os.WriteFile(canary, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	says(run(0, "apply"), "→ worker-token  (to sink vault, by ", " (apply): it was not delivered there yet)\n", "delivered: worker-token to sink vault\n")
	if out := run(0, "diff"); !strings.Contains(out, ": in sync\n") || strings.Contains(out, "deliver") {
		t.Errorf("everything is delivered:\n%s", out)
	}

	// The file is gone. Only who acts looks at sinks, and says that it brings it back.
	if err := os.Remove(w.path("path-canary-token")); err != nil {
		t.Fatal(err)
	}
	says(run(0, "apply"), "→ worker-token  (to sink disk, by ", ": the sink does not have it any more)\n", "delivered: worker-token to sink disk\n")
	o := w.operate(w.host(), r, "--config", w.path("operator.yaml"), "--instance", "mgr-1", "--resync", "2s")
	o.condition("TokensNotDelivered", false)
	if err := os.Remove(canary); err != nil {
		t.Fatal(err)
	}
	put := r.commit("another token", map[string]string{"c.yaml": cluster("joinTokens: {worker: {rotation: {epoch: 1}, sinks: [disk, vault]}}", "autolock: {enabled: true, escrow: key}")})
	o.inSync(put)
	rotated := r.commit("another token again", map[string]string{"c.yaml": cluster("joinTokens: {worker: {rotation: {epoch: 2}, sinks: [disk, vault]}}", "autolock: {enabled: true, escrow: key}")})
	o.condition("TokensNotDelivered", true)
	w.eventually(func() error {
		if text := w.asked(o, "/api/v1/status"); !strings.Contains(text, `"to": "vault"`) || !strings.Contains(text, `"by": "mgr-1"`) {
			return fmt.Errorf("the status does not say that it is to be delivered: %s", text)
		}
		return nil
	})
	if err := os.WriteFile(canary, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	o.inSync(rotated)
	o.condition("TokensNotDelivered", false)
	w.eventually(func() error {
		if text := w.asked(o, "/api/v1/status"); strings.Contains(text, "deliveries") {
			return fmt.Errorf("the status says that something is to be delivered: %s", text)
		}
		return nil
	})
	for _, text := range append(shown, o.Stdout(), o.Stderr(), w.asked(o, "/api/v1/status"), w.asked(o, "/api/v1/drift")) {
		for _, secret := range []string{"--argument-canary", "path-canary", "program-canary", w.clusterNow().JoinTokens.Worker, w.unlockKey()} {
			if strings.Contains(text, secret) {
				t.Errorf("%s is in\n%s", secret, text)
			}
		}
	}
}
