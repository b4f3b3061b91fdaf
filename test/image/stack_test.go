package image

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"

	"github.com/swarm-operator/swarm-operator/test/engines"
	"github.com/swarm-operator/swarm-operator/test/harness"
)

const own = "swarm-operator_operator" // the service that docker stack deploy makes

// aStack follows an operator that has its own service in git. The operator takes itself over, updates itself, and
// survives a bad version of itself.
func aStack(w *world) {
	r := w.repo("stacked")
	r.ownService(w.example())
	source := w.serve(r)
	w.docker("sources: [{name: stack, repairAfter: 0s, location: '"+source+"'}]\nlog: {format: json}\n", "secret", "create", "swarm-operator", "-")
	said := w.docker("", "stack", "deploy", "--compose-file", deployFile(w.T, "swarm-operator.yaml"), "swarm-operator")
	if strings.Contains(said, "Ignoring") {
		w.Errorf("something in the file has no effect: %s", said)
	}
	f := &fleet{repo: r, logs: map[string]string{}, list: w.stackContainers, settled: func() { w.operators(len(w.Managers())) }}
	w.Cleanup(func() {
		for _, node := range w.Managers() {
			all, err := w.stackContainers(node)
			if err != nil {
				w.Log(err)
			}
			for _, c := range all {
				w.explain(node, c)
			}
		}
	})
	start := time.Now()
	f.settled()
	w.Logf("the stack was healthy after %s", time.Since(start).Round(time.Millisecond))
	for _, node := range w.Managers() {
		w.confined(node, f.instance(node))
	}
	r.follows()
	f.tookItselfOver()
	f.updatesItselfLast()
	f.actsAlone()
	f.survivesABrokenImage()
	f.judge()
	w.docker("", "stack", "rm", "swarm-operator")
	w.eventually(func() error {
		for _, node := range w.Managers() {
			if left, err := w.stackContainers(node); err != nil || len(left) > 0 {
				return fmt.Errorf("there still are %q, %w", left, err)
			}
		}
		return nil
	})
	if _, err := service(w.api, own); !cerrdefs.IsNotFound(err) {
		w.Errorf("it was removed, and is there again: %v", err)
	}
}

// example returns the operator's own service as people copy it, with the image and the group of this machine.
func (w *world) example() string {
	w.Helper()
	root, err := harness.Root(w.Context())
	if err != nil {
		w.Fatal(err)
	}
	text := string(readFile(w.T, filepath.Join(root, "examples", "operator", "operator.yaml")))
	image := regexp.MustCompile("(?m)^  image: .*$").FindString(text)
	return edit(w.T, text, image, "  image: "+w.image, "65532:998", "65532:"+w.group)
}

// edit replaces texts, each of which must exist.
func edit(t *testing.T, text string, pairs ...string) string {
	t.Helper()
	for i := 0; i < len(pairs); i += 2 {
		if !strings.Contains(text, pairs[i]) {
			t.Fatalf("there is no %q in:\n%s", pairs[i], text)
		}
		text = strings.ReplaceAll(text, pairs[i], pairs[i+1])
	}
	return text
}

// ownService writes the operator's own service, for the next commit.
func (r *repo) ownService(text string) {
	r.w.Helper()
	if err := r.Write(map[string]string{"operator.yaml": text}); err != nil {
		r.w.Fatal(err)
	}
}

// quick returns the example with a checkout instead of a remote, and without the long times that a trustworthy
// service needs.
func (w *world) quick(dir string) string {
	return edit(w.T, w.example(),
		"    SWARM_OPERATOR_CONFIG:", "    SWARM_OPERATOR_SOURCE: /source\n    SWARM_OPERATOR_CONFIG:",
		"  networks: [bridge]", "    - {type: bind, source: \""+dir+"\", target: /source, readOnly: true}\n  networks: [bridge]\n  healthcheck: {interval: 1s}",
		"monitor: 30s", "monitor: 1s", "delay: 10s", "delay: 1s", "delay: 5s", "delay: 500ms")
}

// tookItselfOver checks that the service made by docker stack deploy now belongs to the manifest, and that nothing
// was written on it for that.
func (f *fleet) tookItselfOver() {
	f.w.Helper()
	for _, node := range f.w.Managers() {
		f.inSync(node)
	}
	now, err := service(f.w.api, own)
	if err != nil {
		f.w.Fatal(err)
	}
	if now.PreviousSpec != nil || now.UpdateStatus != nil {
		f.w.Errorf("the operator wrote on its own service: %+v", now)
	}
	if text := fmt.Sprintf("%+v", now.Spec); strings.Contains(text, "hunter2") {
		f.w.Errorf("everybody can read the token: %s", text)
	}
	if tasks := f.w.tasks(own); len(tasks) != len(f.w.Managers()) {
		f.w.Errorf("there were %d tasks", len(tasks))
	}
}

// answer is the part of the output of swarm-operator status -o json that these tests read.
type answer struct {
	Lease struct{ Holder string }
	harness.Report
	Objects []struct{ Object, Sync, Health string }
	Failed  []struct{ Object, Why string }
}

// status asks an operator for its status, as the documentation says.
func (f *fleet) status(node string) (answer, error) {
	f.w.Helper()
	text, err := f.w.dockerOn(node, "", "exec", f.instance(node), "/swarm-operator", "status", "--operator", "127.0.0.1:9737", "-o", "json")
	if err != nil {
		return answer{}, err
	}
	return decode[answer](f.w.T, []byte(text)), nil
}

// inSync waits until an operator says that it is in sync, including its own service.
func (f *fleet) inSync(node string) {
	f.w.Helper()
	f.w.eventually(func() error {
		s, err := f.status(node)
		if err != nil {
			return err
		}
		for _, o := range s.Objects {
			if o.Object == "Service/"+own && o.Sync == "Synced" && s.Is("InSync", true) {
				return nil
			}
		}
		return fmt.Errorf("on %s: %+v", node, s)
	})
}

// operators waits until the service has n running tasks, and no other task that should run.
func (w *world) operators(n int) {
	w.Helper()
	w.eventually(func() error {
		running := 0
		for _, t := range w.tasks(own) {
			if t.DesiredState != swarm.TaskStateRunning {
				continue
			}
			if t.Status.State != swarm.TaskStateRunning {
				return fmt.Errorf("a task is %s: %s %s", t.Status.State, t.Status.Message, t.Status.Err)
			}
			running++
		}
		if running != n {
			return fmt.Errorf("%d operators run", running)
		}
		return nil
	})
}

// rolledOut waits for the end of an update of the operator's own service, and returns its state. During the update,
// all operators except one have to run.
func (w *world) rolledOut() (state swarm.UpdateState) {
	w.Helper()
	least, fewest := len(w.Managers()), ""
	w.eventually(func() error {
		running, all := 0, w.tasks(own)
		for _, t := range all {
			if t.Status.State == swarm.TaskStateRunning && t.DesiredState == swarm.TaskStateRunning {
				running++
			}
		}
		if running < least {
			least, fewest = running, time.Now().Format("15:04:05.000")+" "+states(all)
		}
		s, err := service(w.api, own)
		if err != nil {
			return err
		}
		if s.UpdateStatus == nil || s.UpdateStatus.CompletedAt == nil {
			return fmt.Errorf("the update is %+v", s.UpdateStatus)
		}
		state = s.UpdateStatus.State
		return nil
	})
	if want := len(w.Managers()) - 1; least < want {
		w.Errorf("only %d operators ran at a time, want %d: %s\nafterwards %s", least, want, fewest, states(w.tasks(own)))
	}
	w.operators(len(w.Managers()))
	return state
}

// states says when each task came into its state, and why.
func states(tasks []swarm.Task) string {
	slices.SortFunc(tasks, func(a, b swarm.Task) int { return a.Status.Timestamp.Compare(b.Status.Timestamp) })
	var b strings.Builder
	for _, t := range tasks {
		fmt.Fprintf(&b, "\n%s %s on %s is %s and to be %s: %s %s", t.Status.Timestamp.Format("15:04:05.000"), t.ID, t.NodeID, t.Status.State, t.DesiredState, t.Status.Message, t.Status.Err)
	}
	return b.String()
}

// since returns the effects after a time, and those on objects also as operation and object.
func (f *fleet) since(at time.Time) (all []effect, steps []string) {
	f.w.Helper()
	for _, e := range f.effects() {
		if e.Time.After(at) {
			all = append(all, e)
			if e.Msg == "step done" {
				steps = append(steps, e.Operation+" "+e.Object)
			}
		}
	}
	return all, steps
}

// updatesItselfLast commits another version of a service together with one of the operator itself.
func (f *fleet) updatesItselfLast() {
	f.w.Helper()
	began := time.Now()
	f.ownService(f.w.quick(f.Dir))
	f.commit("app:1")
	f.w.written(began)
	if state := f.w.rolledOut(); state != swarm.UpdateStateCompleted {
		f.w.Errorf("the update of the operator was %s", state)
	}
	f.runs("app:1")
	_, steps := f.since(began)
	if want := []string{"update Service/stacked", "update Service/" + own}; !slices.Equal(steps, want) {
		f.w.Errorf("the steps were %q, want %q", steps, want)
	}
	for _, node := range f.w.Managers() {
		f.inSync(node)
		c, err := f.w.Client(node).ContainerInspect(f.w.Context(), f.instance(node), client.ContainerInspectOptions{})
		if err != nil {
			f.w.Fatal(err)
		}
		if env := c.Container.Config.Env; !slices.Contains(env, "SWARM_OPERATOR_SOURCE=/source") || !slices.Contains(env, "SWARM_OPERATOR_INSTANCE="+node) || !slices.Contains(env, "SWARM_OPERATOR_OWN_SERVICE="+own) {
			f.w.Errorf("the operator on %s has %q", node, env)
		}
	}
	f.w.Logf("the operator had updated itself after %s", time.Since(began).Round(time.Millisecond))
}

// written waits until the operator's own service is written.
func (w *world) written(after time.Time) {
	w.Helper()
	w.eventually(func() error {
		s, err := service(w.api, own)
		if err == nil && s.UpdatedAt.Before(after) {
			err = fmt.Errorf("%s was written at %s", own, s.UpdatedAt)
		}
		return err
	})
}

// survivesABrokenImage commits an image that does not start. The swarm brings the old one back, and the operator
// still runs to report that.
func (f *fleet) survivesABrokenImage() {
	f.w.Helper()
	const broken = engines.Registry + "/infra/crash:1"
	if err := f.w.Load(f.w.Context(), broken); err != nil {
		f.w.Fatal(err)
	}
	good, began := f.w.quick(f.Dir), time.Now()
	// Use the times of the example. If the image crashed later than they say, it would already be on the next node.
	f.ownService(edit(f.w.T, good, f.w.image, broken, "monitor: 1s", "monitor: 30s", "delay: 1s", "delay: 10s"))
	f.commit("app:1")
	f.w.written(began)
	if state := f.w.rolledOut(); state != swarm.UpdateStateRollbackCompleted {
		f.w.Errorf("the update of the operator was %s", state)
	}
	f.w.Logf("a broken image was rolled back after %s", time.Since(began).Round(time.Millisecond))
	for _, node := range f.w.Managers() {
		f.w.eventually(func() error {
			s, err := f.status(node)
			if err == nil && !s.Is("RolloutFailed", true) {
				err = fmt.Errorf("%s says %+v", node, s)
			}
			return err
		})
	}
	rolledBack, err := service(f.w.api, own)
	if err != nil {
		f.w.Fatal(err)
	}
	f.next() // this does not try the broken image again
	f.done(f.w.api)
	time.Sleep(2 * time.Second)
	if now, err := service(f.w.api, own); err != nil || now.Version != rolledBack.Version {
		f.w.Errorf("after the rollback something was written: %+v, %v", now, err)
	}
	began = time.Now()
	f.ownService(edit(f.w.T, good, "    SWARM_OPERATOR_SOURCE:", "    SWARM_OPERATOR_RESYNC: 10m\n    SWARM_OPERATOR_SOURCE:"))
	f.commit("app:1")
	f.w.written(began)
	if state := f.w.rolledOut(); state != swarm.UpdateStateCompleted {
		f.w.Errorf("the update of the operator was %s", state)
	}
	for _, node := range f.w.Managers() {
		f.inSync(node)
	}
	_, steps := f.since(began)
	if want := []string{"update Service/" + own}; !slices.Equal(steps, want) {
		f.w.Errorf("the steps were %q, want %q", steps, want)
	}
	f.w.Logf("the next version was there after %s", time.Since(began).Round(time.Millisecond))
}

// serve starts a host of git repositories that containers can reach. It returns the URL, with a token.
func (w *world) serve(r *repo) string {
	w.Helper()
	host := harness.NewGitHost(r.Repo, "hunter2hunter2")
	w.Cleanup(host.Close)
	l, err := w.Listen(0)
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() { _ = l.Close() })
	go func() { _ = http.Serve(l, host) }() // until the listener is closed
	u, err := url.Parse(host.URL())
	if err != nil {
		w.Fatal(err)
	}
	u.Host = l.Addr().String()
	return u.String()
}

// docker runs the docker CLI on the first manager, and returns what it prints.
func (w *world) docker(input string, args ...string) string {
	w.Helper()
	out, err := w.dockerOn(manager, input, args...)
	if err != nil {
		w.Fatal(err)
	}
	return out
}

func (w *world) dockerOn(node, input string, args ...string) (string, error) {
	cmd := exec.CommandContext(w.Context(), "docker", args...)
	cmd.Stdin = strings.NewReader(input)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + w.TempDir(), "DOCKER_HOST=" + w.Host(node), "IMAGE=" + w.image, "DOCKER_GID=" + w.group}
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("docker %s on %s: %w\n%s", strings.Join(args, " "), node, err, out)
	}
	return string(out), nil
}

// stackContainers returns the stack's containers on a node, the one that runs first.
func (w *world) stackContainers(node string) ([]string, error) {
	list, err := w.Client(node).ContainerList(context.Background(), client.ContainerListOptions{All: true, Filters: client.Filters{}.Add("label", "com.docker.stack.namespace=swarm-operator")})
	if err != nil {
		return nil, err
	}
	var out, ended []string
	for _, c := range list.Items {
		if c.State == container.StateRunning {
			out = append(out, c.ID)
		} else {
			ended = append(ended, c.ID)
		}
	}
	return append(out, ended...), nil
}
