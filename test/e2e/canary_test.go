package e2e

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"

	"github.com/swarm-operator/swarm-operator/test/harness"
)

// canaries are secrets that must not appear anywhere.
type canaries struct {
	*world
	all map[string]string // value → where it was put
	// git are those that stand in clear in the source's tree, without a name or a shape of secrets. Only git's reader may
	// see them.
	git map[string]bool
}

func newCanaries(w *world) *canaries { return &canaries{w, map[string]string{}, map[string]bool{}} }

// put makes a secret and notes where it is put.
func (c *canaries) put(where string) string {
	value := fmt.Sprintf("7%06d%d", 1000003*(len(c.all)+1)%999983, 10+len(c.all)) // digits are valid wherever a text is
	c.all[value] = where
	return value
}

// scramble does the same with a secret that only looks random: neither its name nor anything beside it says what it is.
func (c *canaries) scramble(where string) string {
	sum := sha256.Sum256(fmt.Append(nil, len(c.all)))
	value := hex.EncodeToString(sum[:13])
	c.all[value] = where
	return value
}

// again makes another secret like this one.
func (c *canaries) again(value, where string) string {
	if len(value) > 20 {
		return c.scramble(where)
	}
	return c.put(where)
}

// silent checks that an output shows no secret.
func (c *canaries) silent(output, text string) {
	c.Helper()
	c.silentTo(output, text, false)
}

// silentTo does the same. git is true if the reader of the output has the source's tree.
func (c *canaries) silentTo(output, text string, git bool) {
	c.Helper()
	for value, where := range c.all {
		if git && c.git[value] {
			continue
		}
		for _, form := range forms(value) {
			if at := strings.Index(text, form); at >= 0 {
				c.Errorf("%s shows the secret in %s:\n%s", output, where, text[max(0, at-200):min(len(text), at+100)])
				break
			}
		}
	}
}

// forms returns the value, and what base64 makes of it at each position in a text.
func forms(value string) []string {
	out := []string{value}
	for skip := range 3 {
		encoded := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("x", skip) + value))
		// The first and the last characters depend on the text beside it.
		out = append(out, encoded[(skip*8+5)/6:len(value)*8/6])
	}
	return out
}

// run runs a command, which may end with any exit code, and checks what it prints.
func (c *canaries) run(env []string, args ...string) result {
	c.Helper()
	r := c.cliEnv(env, args...)
	c.silentTo("swarm-operator "+args[0], r.out, forGit[args[0]])
	// With -o json, apply writes its text there
	c.silentTo("swarm-operator "+args[0]+", its standard error", r.errs, args[0] == "apply" && slices.Contains(args, "json"))
	return r
}

// forGit are the commands that write to the standard output for people who have the source's tree.
var forGit = map[string]bool{"diff": true, "validate": true, "apply": true}

// everything runs all commands that say something about a source.
func (c *canaries) everything(host string, r *repo, more ...string) {
	c.Helper()
	at := append([]string{"--host", host, "--source", r.Dir, "--log-level", "debug"}, more...)
	c.run(nil, "validate", "--source", r.Dir)
	c.run(nil, "validate", "--source", r.Dir, "-o", "json")
	c.run(nil, "validate", "--source", r.Dir, "--worktree")
	c.run(nil, append([]string{"diff"}, at...)...)
	c.run(nil, append([]string{"diff", "-o", "json"}, at...)...)
	if out := c.run(nil, append([]string{"diff", "--show-values"}, at...)...); out.code != 2 {
		c.Errorf("--show-values without a terminal: %s", out)
	}
	for _, output := range []string{"text", "json"} {
		c.run(nil, append([]string{"status", "-o", output}, at...)...)
		c.run(nil, "status", "--host", host, "-o", output)
	}
	c.run(nil, append([]string{"apply", "--log-format", "json"}, at...)...)
	c.run(nil, append([]string{"apply", "--wait", "--timeout", "10s"}, at...)...)
}

// served checks the answers and the log of a running operator.
func (c *canaries) served(o *operator) {
	c.Helper()
	for _, path := range []string{"/api/v1/drift", "/api/v1/status", "/metrics", "/readyz", "/healthz", "/"} {
		_, body, err := o.Get(c.Context(), path)
		if err != nil {
			c.Fatal(err)
		}
		c.silent("run at "+path, body)
	}
	c.silent("run's log", o.Stdout()+o.Stderr())
}

// inSwarm checks what the operator keeps in the swarm: its memory, the lease, holds, and the names and its own labels
// of what it made.
func (c *canaries) inSwarm() {
	c.Helper()
	list, err := c.api.ConfigList(c.Context(), client.ConfigListOptions{})
	if err != nil {
		c.Fatal(err)
	}
	states := 0
	for _, cfg := range list.Items {
		c.silent("the labels of config "+cfg.Spec.Name, fmt.Sprint(cfg.Spec.Name, own(cfg.Spec.Labels)))
		if strings.HasPrefix(cfg.Spec.Name, "swarm-operator") {
			states++
			c.silent("config "+cfg.Spec.Name, string(cfg.Spec.Data))
		}
	}
	if states < 2 {
		c.Error("the operator has no memory and no lease in the swarm")
	}
	secrets, err := c.api.SecretList(c.Context(), client.SecretListOptions{})
	if err != nil {
		c.Fatal(err)
	}
	for _, s := range secrets.Items {
		c.silent("the labels of secret "+s.Spec.Name, fmt.Sprint(s.Spec.Name, own(s.Spec.Labels)))
	}
	for _, s := range c.services() {
		c.silent("the labels of service "+s.Spec.Name, fmt.Sprint(own(s.Spec.Labels)))
	}
}

// own returns the operator's own labels of an object.
func own(labels map[string]string) map[string]string {
	out := maps.Clone(labels)
	maps.DeleteFunc(out, func(k, _ string) bool { return !strings.HasPrefix(k, "swarm-operator.io/") })
	return out
}

// deployed checks that the secrets are where they belong. If they are not, their silence means nothing.
func (c *canaries) deployed() {
	c.Helper()
	spec, err := json.Marshal(c.service("web").Spec)
	if err != nil {
		c.Fatal(err)
	}
	found := 0
	for value := range c.all {
		if strings.Contains(string(spec), value) {
			found++
		}
	}
	if found < 12 {
		c.Errorf("only %d of the secrets are in the service's spec", found)
	}
}

// manifests returns manifests with a secret in each place that may hold one.
func (c *canaries) manifests() map[string]string {
	env := func(where string) string { return c.put(where) }
	web := service(
		"web", "image: registry.example.com/team/app:1", "replicas: 1", quickRestart,
		"environment:",
		"  PASSWORD: \""+env("PASSWORD")+"\"",
		"  API_TOKEN: \""+env("API_TOKEN")+"\"",
		"  MYSQL_PWD: \""+env("MYSQL_PWD")+"\"",
		"  DATABASE_URL: postgres://ada:"+env("a URL in an environment value")+"@db/x",
		"  DSN: host=db user=app password="+env("a DSN")+" dbname=x",
		"  STORE: Server=db;Pwd="+env("a connection string")+";Database=x",
		"  BLOBS: AccountName=x;AccountKey="+env("an account's key")+";EndpointSuffix=y",
		"  SIGNED: \"https://b.example.com/c?sv=1&sig="+env("a signed URL")+"\"",
		"  CHAT: https://hooks."+"slack.com/services/T01/B01/"+env("a webhook"),
		"  CALL: https://discord.com/api/webhooks/1/"+env("another webhook"),
		"  BOT: https://api.telegram.org/bot"+env("a bot's token")+"/sendMessage",
		"  SESSION: eyJ"+"hbGciOiJIUzI1NiJ9.eyJ"+"zdWIiOiIxIn0."+env("a JWT"),
		"  BLOCK: \"-----BEGIN PRIVATE"+" KEY-----\\n"+env("a PEM block")+"\\n-----END PRIVATE"+" KEY-----\"",
		"  FORGE: ghp"+"_abcdefghijk"+env("a token of a forge"),
		"  CLOUD: AKIA"+"ABCDEFG"+env("a key of a cloud"),
		"  JAVA_OPTS: -Xmx1g -Dx.password="+env("a property")+" -Dy=z",
		"  HEADER: \"Authorization: Bearer "+env("a header")+"\"",
		"  SENTRY: https://"+env("a URL's user")+"@sentry.example.com/1",
		"  PLAIN: "+c.scramble("a variable that looks random"),
		"  BROKERS: amqp://a:"+env("the first of two URLs")+"@one,amqp://b:"+env("the second of two URLs")+"@two",
		"command: [serve, \"--db=postgres://ada:"+env("a URL in the command")+"@db/x\", --password, \""+env("the argument after a flag")+"\", \"--api-token="+env("a flag's value")+"\", "+c.scramble("an argument")+"]",
		"entrypoint: [/bin/sh, \"https://:"+env("a URL in the entrypoint")+"@h/\"]",
		"healthcheck: {test: [CMD-SHELL, \"curl -u ada:"+env("a user in the health check")+" -H 'X-Api-Key: "+env("a header in the health check")+"' http://ada:"+env("a URL in the health check")+
			"@localhost/ && redis-cli -a "+env("a password in the health check")+" ping && DB_PASSWORD="+env("an assignment in the health check")+" check\"]}",
		"containerLabels: {hook: \"https://ada:"+env("a URL in a container label")+"@h/\", traefik.http.middlewares.a.basicauth.users: \"ada:$2y$05$abcdefgh"+env("a hash in a label")+"\", plain: "+c.scramble("a label")+"}",
		"logging: {driver: splunk, options: {splunk-token: \""+env("a token in a log option")+"\", splunk-url: \"https://ada:"+env("a URL in a log option")+"@h/\"}}",
		"configs: [inline, filed]",
		"secrets: [inline, filed]")
	return map[string]string{
		"web.yaml": web,
		"content.yaml": docs(
			config("inline", c.put("a config")), fmt.Sprintf(head, "Config", "filed")+"spec: {file: files/conf}\n",
			secret("inline", c.put("a secret")), fmt.Sprintf(head, "Secret", "filed")+"spec: {file: files/key}\n"),
		"files/conf": "a = 1\nb = " + c.put("a config's file") + "\n",
		"files/key":  c.put("a secret's file"),
	}
}

func TestSecretsAppearInNoOutput(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 0})
	c := newCanaries(w)
	docker := filepath.Join(w.home, ".docker")
	if err := os.MkdirAll(docker, 0o700); err != nil {
		t.Fatal(err)
	}
	password, header := c.put("the registry's credential"), c.put("a header of the docker config")
	auth := base64.StdEncoding.EncodeToString([]byte("ada:" + password))
	c.all[auth] = "the registry's credential, encoded"
	dockerConfig := fmt.Sprintf(`{"auths": {"registry.example.com": {"auth": %q}}, "HttpHeaders": {"X-Gate": %q}}`, auth, header)
	if err := os.WriteFile(filepath.Join(docker, "config.json"), []byte(dockerConfig), 0o600); err != nil {
		t.Fatal(err)
	}
	files := c.manifests()
	r := w.repo("canaries", files)
	p := w.proxy()
	sent := make(chan string, 1000)
	p.Before(func(call harness.Call) error {
		if call.Path == "/services/create" {
			sent <- call.Header.Get("X-Registry-Auth")
		}
		return nil
	})
	c.everything(p.Host(), r)
	select {
	case got := <-sent:
		plain, _ := base64.URLEncoding.DecodeString(got)
		if !strings.Contains(string(plain), password) {
			t.Errorf("the credential was not sent with the service: %q", plain)
		}
	default:
		t.Error("no service was created")
	}
	w.want(0, "diff", "--host", w.host(), "--source", r.Dir)
	c.deployed()
	c.inSwarm()

	o := w.operate(p.Host(), r, "--log-level", "debug")
	o.condition("InSync", true)
	t.Log("changes by hand, and in git")
	w.byHand("web", func(s *swarm.ServiceSpec) {
		s.TaskTemplate.ContainerSpec.Env = append(s.TaskTemplate.ContainerSpec.Env, "SECRET_THING="+c.put("a variable by hand"), "URL=redis://:"+c.put("a URL by hand")+"@r")
	})
	o.condition("InSync", false)
	c.served(o)
	for name, text := range files { // make every secret a different one
		for value, where := range c.all {
			if strings.Contains(text, value) {
				text = strings.ReplaceAll(text, value, c.again(value, where+", changed"))
			}
		}
		files[name] = text
	}
	hash := r.commit("other secrets", files)
	c.run(nil, "diff", "--host", w.host(), "--source", r.Dir, "--log-level", "debug")
	o.reports(func(r harness.Report) error {
		if r.Applied != hash {
			return fmt.Errorf("in force is %s", r.Applied)
		}
		return nil
	})
	o.condition("InSync", true)
	c.served(o)
	c.inSwarm()

	t.Log("errors")
	says := func(text string) {
		t.Helper()
		o.says(text)
		c.served(o)
	}
	noRegistry := w.swarm.Inject(Fault{
		Path: "/distribution/.*", Status: http.StatusInternalServerError,
		Message: "Get https://ada:" + c.put("an error of the engine's") + "@registry.example.com/v2/: no such host",
	})
	r.commit("another image", map[string]string{"web.yaml": strings.Replace(files["web.yaml"], "app:1", "app:2", 1)})
	says("no such host")
	c.everything(p.Host(), r)
	t.Cleanup(w.swarm.Inject(Fault{
		Method: "POST", Path: "/services/.*/update", Status: http.StatusInternalServerError,
		Message: "dial https://ada:" + c.put("an error of an update") + "@proxy.example.com: refused",
	}))
	noRegistry()
	says("proxy.example.com")
	c.served(o)
	c.everything(p.Host(), r)
	o.finish()
	c.silent("run's log", o.Stdout()+o.Stderr())
}

// A person who mends a broken manifest must not find its secrets in the log of CI.
func TestBrokenManifestsShowNoSecret(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 0})
	c := newCanaries(w)
	secretHead := fmt.Sprintf(head, "Secret", "x")
	for name, text := range everySecondOf(map[string]string{
		"a number":              secretHead + "spec: {data: " + c.put("data that is a number") + "}\n",
		"a list":                secretHead + "spec: {data: [" + c.put("data that is a list") + "]}\n",
		"unclosed":              secretHead + "spec: {data: \"" + c.put("an unclosed quote") + "\n",
		"unclosed brace":        secretHead + "spec: {data: x" + c.put("an unclosed brace") + "\n",
		"two colons":            secretHead + "spec:\n  data: x" + c.put("two colons") + ": y\n",
		"a tab":                 secretHead + "spec:\n\tdata: x" + c.put("a tab") + "\n",
		"indentation":           secretHead + "spec:\n  data: x\n    " + c.put("indentation") + ": y\n",
		"an unknown field":      secretHead + "spec: {dat: x" + c.put("an unknown field") + "}\n",
		"beside unknown":        secretHead + "spec: {data: x" + c.put("beside an unknown field") + ", fil: y}\n",
		"an unknown kind":       strings.Replace(secretHead, "Secret", "Sercet", 1) + "spec: {data: x" + c.put("an unknown kind") + "}\n",
		"another version":       strings.Replace(secretHead, "io/v1", "io/v2", 1) + "spec: {data: x" + c.put("another version") + "}\n",
		"a bad tag":             secretHead + "spec: {data: !!int x" + c.put("a tag") + "}\n",
		"a custom tag":          secretHead + "spec: {data: !vault x" + c.put("a custom tag") + "}\n",
		"an alias":              secretHead + "spec: {data: *x" + c.put("an alias") + "}\n",
		"a control character":   secretHead + "spec: {data: \"x" + c.put("beside a control character") + "\x01\"}\n",
		"no UTF-8":              secretHead + "spec: {data: x" + c.put("beside no UTF-8") + "\xff}\n",
		"environment twice":     service("x", "image: app:1", "environment:", "  PASSWORD: x"+c.put("a variable"), "  PASSWORD: x"+c.put("a variable, twice")),
		"environment list":      service("x", "image: app:1", "environment: [\"PASSWORD:x"+c.put("a list's entry without =")+"\"]"),
		"environment same":      service("x", "image: app:1", "environment: [PASSWORD=x"+c.put("a list's entry")+", PASSWORD=x"+c.put("a list's entry, twice")+"]"),
		"environment nested":    service("x", "image: app:1", "environment: {PASSWORD: {value: x"+c.put("a nested value")+"}}"),
		"environment NUL":       service("x", "image: app:1", "environment: {PASSWORD: \"x"+c.put("a variable with NUL")+"\\0\"}"),
		"an image":              service("x", "image: \"https://ada:"+c.put("an image that is a URL")+"@registry/app:1\""),
		"a health check":        service("x", "image: app:1", "healthcheck: {test: [\"http://ada:"+c.put("a health check")+"@h\"]}"),
		"a log option":          service("x", "image: app:1", "logging: {options: {splunk-token: ["+c.put("a log option")+"]}}"),
		"an empty apiVersion":   "kind: Secret\nmetadata: {name: x}\nspec: {data: x" + c.put("no apiVersion") + "}\n",
		"no kind":               "apiVersion: swarm-operator.io/v1\nmetadata: {name: x}\nspec: {data: x" + c.put("no kind") + "}\n",
		"a name that is no one": fmt.Sprintf(head, "Secret", "\"not a name\"") + "spec: {data: x" + c.put("a bad name") + "}\n",
		"data and file":         secretHead + "spec: {data: x" + c.put("data and file") + ", file: y}\n",
	}) {
		r := w.repo("broken", map[string]string{"broken.yaml": text})
		for _, args := range [][]string{
			{"validate", "--source", r.Dir},
			{"validate", "--source", r.Dir, "-o", "json"},
			{"diff", "--source", r.Dir, "--host", w.host(), "--log-level", "debug"},
			{"apply", "--source", r.Dir, "--host", w.host(), "--log-level", "debug"},
		} {
			// 1 means that the object is held
			if out := c.run(nil, args...); out.code != 2 && (out.code != 1 || args[0] == "validate") {
				t.Errorf("%s: %s ends with %s", name, args[0], out)
			}
		}
	}

	t.Log("all of them at once, for a daemon")
	r := w.repo("broken-later", map[string]string{"good.yaml": service("good", "image: app:1", "replicas: 0")})
	o := w.operate(w.host(), r, "--log-level", "debug", "--log-format", "json")
	o.condition("InSync", true)
	r.commit("broken", map[string]string{
		"a.yaml": secretHead + "spec: {data: \"" + c.put("a daemon's broken secret") + "\n",
		"b.yaml": service("x", "image: app:1", "environment: [\"PASSWORD:x"+c.put("a daemon's broken variable")+"\"]"),
	})
	o.condition("SourceReady", false)
	c.served(o)
	r.commit("held", map[string]string{"a.yaml": "", "b.yaml": service("x", "image: app:1", "environment: {PASSWORD: [\""+c.put("a held object's value")+"\"]}")})
	o.condition("SourceReady", true)
	o.condition("Held", true)
	c.served(o)
}

// Passwords may be in the URLs of sources and engines, and in docker's files.
func TestPasswordsOfLocationsAppearInNoOutput(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 0})
	c := newCanaries(w)
	r := w.repo("locations", map[string]string{"a.yaml": service("a", "image: app:1", "replicas: 0")})
	for _, scheme := range []string{"https", "http", "ssh", "git"} {
		url := scheme + "://ada:" + c.put("a source's URL") + "@127.0.0.1:1/repo.git?token=" + c.put("a source's query")
		for _, args := range [][]string{{"validate"}, {"diff", "--host", w.host()}, {"apply", "--host", w.host()}} {
			args = append(args, "--source", url)
			if args[0] != "validate" {
				args = append(args, "--log-level", "debug")
			}
			if out := c.run(nil, args...); out.code != 2 {
				t.Errorf("%q ends with %s", args, out)
			}
		}
	}
	for _, host := range []string{"tcp://ada:%s@127.0.0.1:1", "https://ada:%s@127.0.0.1:1", "ssh://ada:%s@127.0.0.1:1", "nothing://ada:%s@x", "tcp://ada:%s@[::"} {
		host = fmt.Sprintf(host, c.put("an engine's URL"))
		if out := c.run(nil, "diff", "--source", r.Dir, "--host", host, "--log-level", "debug"); out.code != 2 {
			t.Errorf("%s ends with %s", host, out)
		}
		c.run([]string{"DOCKER_HOST=" + host}, "apply", "--source", r.Dir, "--log-level", "debug")
		p, err := harness.Start(binary, w.env(), "run", "--source", r.Dir, "--host", host, "--listen", "127.0.0.1:0", "--log-level", "debug")
		if err != nil {
			t.Fatal(err)
		}
		w.eventually(func() error {
			if p.Running() && !strings.Contains(p.Stderr(), "EngineReady status=false") {
				return fmt.Errorf("it says nothing of the engine: %s", p.Stderr())
			}
			return nil
		})
		p.Kill()
		c.silent("run", p.Stdout()+p.Stderr())
	}
	docker := filepath.Join(w.home, ".docker")
	if err := os.MkdirAll(docker, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, broken := range []string{
		`{"auths": {"registry.example.com": {"auth": "%s"}`, `{"auths": {"registry.example.com": {"auth": %s}}}`,
		`{"auths": {"registry.example.com": "%s"}}`, `{"HttpHeaders": {"X-Gate": ["%s"]}}`,
	} {
		if err := os.WriteFile(filepath.Join(docker, "config.json"), fmt.Appendf(nil, broken, c.put("a broken docker config")), 0o600); err != nil {
			t.Fatal(err)
		}
		c.run(nil, "diff", "--source", r.Dir, "--host", w.host(), "--log-level", "debug")
		c.run(nil, "apply", "--source", r.Dir, "--host", w.host(), "--log-level", "debug")
	}
}
