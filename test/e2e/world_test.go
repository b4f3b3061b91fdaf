package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"

	"github.com/swarm-operator/swarm-operator/test/harness"
)

// patience bounds each wait for a state; on a busy machine things take long.
const patience = 60 * time.Second

// world is a swarm with what a test needs around it.
type world struct {
	*testing.T
	swarm Swarm
	api   *client.Client // of the first manager, past every proxy
	home  string
}

func newWorld(t *testing.T, n size) *world {
	t.Helper()
	s, err := newSwarm(t.Context(), n)
	if err != nil {
		t.Fatalf("starting a swarm: %v", err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("closing the swarm: %v", err)
		}
	})
	w := &world{T: t, swarm: s}
	w.api = w.connect(s.Managers()[0])
	w.home = t.TempDir()
	t.Cleanup(w.keepServices)
	return w
}

// in is the same world for a subtest.
func (w *world) in(t *testing.T) *world {
	c := *w
	c.T = t
	return &c
}

func (w *world) connect(node string) *client.Client {
	w.Helper()
	c, err := client.New(client.WithHost(w.swarm.Host(node)))
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() { _ = c.Close() })
	return c
}

// host is the first manager's engine.
func (w *world) host() string { return w.swarm.Host(w.swarm.Managers()[0]) }

// proxy stands before the first manager's engine.
func (w *world) proxy() *harness.Proxy {
	w.Helper()
	p, err := harness.NewProxy(w.host())
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() {
		var lines strings.Builder
		calls := p.Calls()
		for _, c := range calls {
			fmt.Fprintln(&lines, c.At.Format("15:04:05.000"), c)
		}
		w.keep("calls", lines.String())
		if w.Failed() {
			w.Logf("last calls of %d:\n%s", len(calls), tail(lines.String(), 30))
		}
		if err := p.Close(); err != nil {
			w.Errorf("closing a proxy: %v", err)
		}
	})
	return p
}

// env is the environment of every process: nothing of the one who runs the tests.
func (w *world) env(more ...string) []string {
	return append([]string{"HOME=" + w.home, "DOCKER_CONFIG=" + filepath.Join(w.home, ".docker"), "PATH=" + os.Getenv("PATH"), "TMPDIR=" + os.TempDir()}, more...)
}

// result is what a command that ran came to.
type result struct {
	code      int
	out, errs string
}

func (r result) String() string {
	return fmt.Sprintf("exit %d\n--- stdout\n%s--- stderr\n%s", r.code, r.out, r.errs)
}

// cli runs the operator's binary.
func (w *world) cli(args ...string) result { return w.cliEnv(nil, args...) }

func (w *world) cliEnv(env []string, args ...string) result {
	w.Helper()
	p, err := harness.Start(binary, w.env(env...), args...)
	if err != nil {
		w.Fatal(err)
	}
	return w.end(p)
}

// end waits for a process.
func (w *world) end(p *harness.Process) result {
	w.Helper()
	ctx, cancel := context.WithTimeout(w.Context(), patience)
	defer cancel()
	code, err := p.Wait(ctx)
	if err != nil {
		p.Kill()
		w.Fatalf("%v\n%s%s", err, p.Stdout(), p.Stderr())
	}
	return result{code, p.Stdout(), p.Stderr()}
}

// want runs a command that must end with an exit code.
func (w *world) want(code int, args ...string) result {
	w.Helper()
	r := w.cli(args...)
	if r.code != code {
		w.Fatalf("swarm-operator %s: want exit %d, got %s", strings.Join(args, " "), code, r)
	}
	return r
}

// operator is a running operator.
type operator struct {
	*harness.Operator
	w *world
}

// operate starts swarm-operator run. It is stopped when the test ends, and must end cleanly then.
func (w *world) operate(host string, r *repo, args ...string) *operator {
	w.Helper()
	return w.operateEnv(nil, host, r, args...)
}

func (w *world) operateEnv(env []string, host string, r *repo, args ...string) *operator {
	w.Helper()
	o, err := harness.StartOperator(w.Context(), binary, w.env(env...), append([]string{"--host", host, "--source", r.Dir}, args...)...)
	if err != nil {
		w.Fatal(err)
	}
	op := &operator{o, w}
	w.Cleanup(op.finish)
	return op
}

func (o *operator) finish() {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if o.Running() {
		_, report, _ := o.Get(ctx, "/api/v1/drift") // for whoever looks at a failure
		o.w.keep("drift.json", report)
		if o.w.Failed() {
			o.w.Logf("drift report:\n%s", tail(report, 80))
		}
		code, err := o.Stop(ctx)
		if err != nil || code != 0 {
			o.Kill()
			o.w.Errorf("the operator was stopped and ended with %d, %v", code, err)
		}
	}
	o.w.keep("operator.log", o.Stdout()+o.Stderr())
	if o.w.Failed() {
		o.w.Logf("operator's log:\n%s", tail(o.Stdout()+o.Stderr(), 40))
	}
}

// report is the drift report now.
func (o *operator) report() harness.Report {
	o.w.Helper()
	r, err := o.Report(o.w.Context())
	if err != nil {
		o.w.Fatalf("%v\n%s", err, tail(o.Stderr(), 40))
	}
	return r
}

// reports waits until the drift report has what is asked for.
func (o *operator) reports(check func(harness.Report) error) harness.Report {
	o.w.Helper()
	var r harness.Report
	o.w.eventually(func() (err error) {
		if r, err = o.Report(o.w.Context()); err != nil {
			return err
		}
		return check(r)
	})
	return r
}

// inSync waits until a revision is in force and nothing differs.
func (o *operator) inSync(revision string) {
	o.w.Helper()
	o.reports(func(r harness.Report) error {
		if r.Applied != revision || !r.Is("InSync", true) {
			return fmt.Errorf("revision %s is not in force and in sync: %s", revision, brief(r))
		}
		return nil
	})
}

// condition waits for a condition's status.
func (o *operator) condition(kind string, status bool) harness.Condition {
	o.w.Helper()
	r := o.reports(func(r harness.Report) error {
		if !r.Is(kind, status) {
			return fmt.Errorf("condition %s is not %t: %s", kind, status, brief(r))
		}
		return nil
	})
	c, _ := r.Condition(kind)
	return c
}

// answers asks the operator's HTTP server for a status.
func (o *operator) answers(path string) int {
	o.w.Helper()
	status, _, err := o.Get(o.w.Context(), path)
	if err != nil {
		o.w.Fatal(err)
	}
	return status
}

// brief renders the part of a report that explains most.
func brief(r harness.Report) string {
	var b strings.Builder
	fmt.Fprintf(&b, "revision %.10s, applied %.10s", r.Revision, r.Applied)
	for _, c := range r.Conditions {
		fmt.Fprintf(&b, "; %s=%t %s %s", c.Type, c.Status, c.Reason, c.Message)
	}
	for _, f := range r.Refused {
		fmt.Fprintf(&b, "; refused %s %s (%s, %s) %s", f.Op, f.Object, f.Guard, f.Class, f.Why)
	}
	return b.String()
}

// repo is a git repository with manifests.
type repo struct {
	*harness.Repo
	w *world
}

// repo makes a repository with one commit. A name is the source's.
func (w *world) repo(name string, files map[string]string) *repo {
	w.Helper()
	r, err := harness.NewRepo(filepath.Join(w.TempDir(), "repo"))
	if err != nil {
		w.Fatal(err)
	}
	out := &repo{r, w}
	out.write(map[string]string{".swarm-operator.yaml": "name: " + name + "\n"})
	out.commit("first", files)
	return out
}

func (r *repo) write(files map[string]string) {
	r.w.Helper()
	if err := r.Write(files); err != nil {
		r.w.Fatal(err)
	}
}

// commit writes files and commits them with whatever else differs.
func (r *repo) commit(message string, files map[string]string) string {
	r.w.Helper()
	r.write(files)
	hash, err := r.Commit(message)
	if err != nil {
		r.w.Fatal(err)
	}
	return hash
}

func (r *repo) remove(names ...string) {
	r.w.Helper()
	if err := r.Remove(names...); err != nil {
		r.w.Fatal(err)
	}
}

// eventually waits until check has nothing to complain about.
func (w *world) eventually(check func() error) {
	w.Helper()
	if err := harness.Until(w.Context(), patience, check); err != nil {
		w.Fatal(err)
	}
}

// holds watches for a while that check has nothing to complain about.
func (w *world) holds(period time.Duration, check func() error) {
	w.Helper()
	for end := time.Now().Add(period); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if err := check(); err != nil {
			w.Fatal(err)
		}
	}
}

// quiet waits until no call came for a while.
func (w *world) quiet(p *harness.Proxy) {
	w.Helper()
	const still = 2 * time.Second
	w.eventually(func() error {
		if since := p.Since(); since < still {
			return fmt.Errorf("the last call was %s ago: %s", since, last(p.Calls()))
		}
		return nil
	})
}

func last(calls []harness.Call) string {
	if len(calls) == 0 {
		return ""
	}
	return calls[len(calls)-1].String()
}

// find looks a service up; false where there is none.
func (w *world) find(name string) (swarm.Service, bool) {
	w.Helper()
	for _, s := range w.services() {
		if s.Spec.Name == name {
			return s, true
		}
	}
	return swarm.Service{}, false
}

func (w *world) service(name string) swarm.Service {
	w.Helper()
	s, ok := w.find(name)
	if !ok {
		w.Fatalf("there is no service %s", name)
	}
	return s
}

func (w *world) services() []swarm.Service {
	w.Helper()
	list, err := w.api.ServiceList(w.Context(), client.ServiceListOptions{})
	if err != nil {
		w.Fatal(err)
	}
	return list.Items
}

// versions are those of all services, by name.
func (w *world) versions() map[string]uint64 {
	w.Helper()
	out := map[string]uint64{}
	for _, s := range w.services() {
		out[s.Spec.Name] = s.Version.Index
	}
	return out
}

// configs lists the names of configs, without the operator's memory.
func (w *world) configs() []string {
	w.Helper()
	list, err := w.api.ConfigList(w.Context(), client.ConfigListOptions{})
	if err != nil {
		w.Fatal(err)
	}
	var names []string
	for _, c := range list.Items {
		if !strings.HasPrefix(c.Spec.Name, "swarm-operator.") {
			names = append(names, c.Spec.Name)
		}
	}
	slices.Sort(names)
	return names
}

func (w *world) secrets() []string {
	w.Helper()
	list, err := w.api.SecretList(w.Context(), client.SecretListOptions{})
	if err != nil {
		w.Fatal(err)
	}
	var names []string
	for _, s := range list.Items {
		names = append(names, s.Spec.Name)
	}
	slices.Sort(names)
	return names
}

func (w *world) networks() []string {
	w.Helper()
	list, err := w.api.NetworkList(w.Context(), client.NetworkListOptions{})
	if err != nil {
		w.Fatal(err)
	}
	var names []string
	for _, n := range list.Items {
		if n.Scope == "swarm" && !n.Ingress {
			names = append(names, n.Name)
		}
	}
	slices.Sort(names)
	return names
}

// tasks are a service's, in whatever state.
func (w *world) tasks(service string) []swarm.Task {
	w.Helper()
	list, err := w.api.TaskList(w.Context(), client.TaskListOptions{Filters: client.Filters{}.Add("service", service)})
	if err != nil {
		w.Fatal(err)
	}
	return list.Items
}

// runs waits until a service has so many running tasks of the spec in force.
func (w *world) runs(service string, n int) {
	w.Helper()
	w.eventually(func() error {
		image, running := w.service(service).Spec.TaskTemplate.ContainerSpec.Image, 0
		for _, t := range w.tasks(service) {
			if t.Status.State == swarm.TaskStateRunning && t.DesiredState == swarm.TaskStateRunning && t.Spec.ContainerSpec.Image == image {
				running++
			}
		}
		if running != n {
			return fmt.Errorf("%d of %d tasks of %s run", running, n, service)
		}
		return nil
	})
}

// status waits for the state of a service's last update.
func (w *world) status(service string, state swarm.UpdateState) {
	w.Helper()
	w.eventually(func() error {
		s := w.service(service)
		if s.UpdateStatus == nil || s.UpdateStatus.State != state {
			return fmt.Errorf("the update of %s is not %s but %+v", service, state, s.UpdateStatus)
		}
		return nil
	})
}

// byHand changes a service as a person does, and returns when the engine has taken it.
func (w *world) byHand(name string, change func(*swarm.ServiceSpec)) {
	w.Helper()
	w.eventually(func() error {
		s := w.service(name)
		change(&s.Spec)
		_, err := w.api.ServiceUpdate(w.Context(), s.ID, client.ServiceUpdateOptions{Version: s.Version, Spec: s.Spec})
		return err
	})
}

func (w *world) scale(name string, n uint64) {
	w.Helper()
	w.byHand(name, func(s *swarm.ServiceSpec) { s.Mode.Replicated.Replicas = &n })
}

// rollback is docker service rollback.
func (w *world) rollback(name string) {
	w.Helper()
	w.eventually(func() error {
		s := w.service(name)
		_, err := w.api.ServiceUpdate(w.Context(), s.ID, client.ServiceUpdateOptions{Version: s.Version, Spec: s.Spec, Rollback: "previous"})
		return err
	})
}

func replicas(s swarm.Service) uint64 { return *s.Spec.Mode.Replicated.Replicas }

func env(s swarm.Service) []string { return s.Spec.TaskTemplate.ContainerSpec.Env }

// make it by hand, as docker service create and its like do.
func (w *world) createService(spec swarm.ServiceSpec, pin bool) string {
	w.Helper()
	r, err := w.api.ServiceCreate(w.Context(), client.ServiceCreateOptions{Spec: spec, QueryRegistry: pin})
	if err != nil {
		w.Fatal(err)
	}
	return r.ID
}

func (w *world) createConfig(name, content string) string {
	w.Helper()
	r, err := w.api.ConfigCreate(w.Context(), client.ConfigCreateOptions{Spec: swarm.ConfigSpec{Annotations: swarm.Annotations{Name: name}, Data: []byte(content)}})
	if err != nil {
		w.Fatal(err)
	}
	return r.ID
}

func (w *world) createSecret(name, content string) string {
	w.Helper()
	r, err := w.api.SecretCreate(w.Context(), client.SecretCreateOptions{Spec: swarm.SecretSpec{Annotations: swarm.Annotations{Name: name}, Data: []byte(content)}})
	if err != nil {
		w.Fatal(err)
	}
	return r.ID
}

func (w *world) createNetwork(name string, labels map[string]string) string {
	w.Helper()
	r, err := w.api.NetworkCreate(w.Context(), name, client.NetworkCreateOptions{Driver: "overlay", Scope: "swarm", Labels: labels})
	if err != nil {
		w.Fatal(err)
	}
	return r.ID
}

// serviceWrites are the writes of services among calls.
func serviceWrites(calls []harness.Call) []harness.Call {
	return slices.DeleteFunc(slices.Clone(calls), func(c harness.Call) bool { return !c.Write() || !strings.HasPrefix(c.Path, "/services/") })
}

// writesTo are the writes of one service, by id.
func writesTo(calls []harness.Call, id string) []harness.Call {
	return slices.DeleteFunc(serviceWrites(calls), func(c harness.Call) bool { return !strings.Contains(c.Path, id) })
}

func lines(calls []harness.Call) string {
	var b strings.Builder
	for _, c := range calls {
		fmt.Fprintln(&b, c)
	}
	return b.String()
}

func tail(text string, n int) string {
	all := strings.Split(strings.TrimRight(text, "\n"), "\n")
	return strings.Join(all[max(0, len(all)-n):], "\n")
}

// keep keeps an artifact of the test where somebody asked for them.
func (w *world) keep(name, content string) {
	root := os.Getenv("ARTIFACTS")
	if root == "" || content == "" {
		return
	}
	dir := filepath.Join(root, "e2e", strings.ReplaceAll(w.Name(), "/", "."))
	path := filepath.Join(dir, name)
	for n := 2; exists(path); n++ {
		path = filepath.Join(dir, fmt.Sprintf("%d-%s", n, name))
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		w.Log(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		w.Log(err)
	}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// keepServices keeps what the swarm has at the end.
func (w *world) keepServices() {
	if os.Getenv("ARTIFACTS") == "" {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	list, err := w.api.ServiceList(ctx, client.ServiceListOptions{Status: true})
	if err != nil {
		w.Log(err)
		return
	}
	text, err := json.MarshalIndent(list.Items, "", "  ")
	if err != nil {
		w.Log(err)
	}
	w.keep("services.json", string(text))
}

// version matches the names of versions of configs and secrets.
var version = regexp.MustCompile(`^[a-z-]+-[0-9a-f]{10}$`)
