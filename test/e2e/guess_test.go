package e2e

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"

	"github.com/swarm-operator/swarm-operator/controllers/digests"
)

// shown returns everything that the API shows of configs and secrets, and the salts in it.
func (w *world) shown() (text string, salts [][]byte) {
	w.Helper()
	configs, err := w.api.ConfigList(w.Context(), client.ConfigListOptions{})
	if err != nil {
		w.Fatal(err)
	}
	secrets, err := w.api.SecretList(w.Context(), client.SecretListOptions{})
	if err != nil {
		w.Fatal(err)
	}
	var b strings.Builder
	annotations := func(a swarm.Annotations) {
		b.WriteString(a.Name + "\n")
		for k, v := range a.Labels {
			b.WriteString(k + "=" + v + "\n")
		}
	}
	for _, c := range configs.Items {
		annotations(c.Spec.Annotations)
		b.Write(c.Spec.Data)
		var m struct{ HashKey []byte }
		if json.Unmarshal(c.Spec.Data, &m) == nil && m.HashKey != nil {
			salts = append(salts, m.HashKey)
		}
	}
	for _, s := range secrets.Items {
		annotations(s.Spec.Annotations)
	}
	return b.String(), salts
}

// Whoever can read the API reads everything that the operator knows of a secret. A guess at its content must cost a slow hash,
// and with a key that is not in the API no guess is of any use.
func TestSecretsCannotBeGuessedFromTheAPI(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 0})
	w.changesNodes() // and the Cluster
	key, sink := w.path("hash.key"), w.path("token")
	if err := os.WriteFile(key, []byte(strings.Repeat("0123456789abcdef", 4)), 0o400); err != nil {
		t.Fatal(err)
	}
	w.defines("disk: {file: '" + sink + "', volatile: true}")
	files := func(source string) map[string]string {
		return map[string]string{
			"made.yaml":  secret(source+"-made", "hunter2"),
			"taken.yaml": policy(secret(source+"-taken", "hunter2"), "adopt: takeover"),
		}
	}
	for _, c := range []struct {
		source string
		args   []string
		slow   bool // whether slow guesses find what they look for
	}{{"keyed", []string{"--hash-key-file", key}, false}, {"bare", nil, true}} {
		w.createSecret(c.source+"-taken", "hunter2")
		manifests := files(c.source)
		if c.source == "keyed" { // a swarm has one Cluster
			manifests["c.yaml"] = cluster("joinTokens: {worker: {sinks: [disk]}}")
		}
		r := w.repo(c.source, manifests)
		w.want(0, append([]string{"apply", "--host", w.host(), "--source", r.Dir, "--consent", "takeover-secret"}, c.args...)...)
		w.want(0, append([]string{"diff", "--host", w.host(), "--source", r.Dir}, c.args...)...)
		text, salts := w.shown()
		if len(salts) == 0 || !strings.Contains(text, c.source+"-made-") {
			t.Fatalf("nothing is there to guess at: %s", text)
		}
		found := func(what, digest string) bool {
			return strings.Contains(text, digest) || strings.Contains(text, what+"-"+digest[:10])
		}
		for name, content := range map[string]string{c.source + "-made": "hunter2", c.source + "-taken": "hunter2"} {
			slow := false
			for _, salt := range salts {
				for _, said := range []string{"Secret/" + name + "\x00" + content, "swarm-operator content\x00Secret/" + name + "\x00" + content, "swarm-operator plain\x00Secret/" + name + "\x00" + content, content} {
					mac := hmac.New(sha256.New, salt)
					mac.Write([]byte(said))
					if digest := hex.EncodeToString(mac.Sum(nil))[:20]; found(name, digest) {
						t.Errorf("%s: a cheap guess finds %s, by %q", c.source, name, said)
					}
				}
				slow = slow || strings.Contains(text, digests.Salted{Salt: salt, Digests: digests.New(nil)}.Of("Secret/"+name, []byte(content)))
			}
			if slow != c.slow {
				t.Errorf("%s: slow guesses find %s: %t, want %t", c.source, name, slow, c.slow)
			}
		}
	}
	// What was delivered is no easier to guess, although it is random.
	token, err := os.ReadFile(sink)
	if err != nil {
		t.Fatal(err)
	}
	text, salts := w.shown()
	if !strings.Contains(text, "worker-token to disk") {
		t.Errorf("no delivery is on record: %s", text)
	}
	for _, salt := range salts {
		mac := hmac.New(sha256.New, salt)
		mac.Write([]byte("delivered\x00worker-token to disk\x00" + string(token)))
		if strings.Contains(text, hex.EncodeToString(mac.Sum(nil))[:20]) {
			t.Error("a cheap guess finds the token")
		}
	}
}
