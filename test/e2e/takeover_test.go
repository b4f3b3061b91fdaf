package e2e

import (
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// dockers returns the docker CLIs of this machine, one of each version.
func dockers(t *testing.T) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, dir := range append(filepath.SplitList(os.Getenv("PATH")), "/usr/bin") {
		path := filepath.Join(dir, "docker")
		if version, err := exec.Command(path, "--version").Output(); err == nil {
			out[strings.TrimSuffix(strings.Fields(string(version))[2], ",")] = path
		}
	}
	switch {
	case len(out) > 0:
	case os.Getenv("CI_NO_SKIP") == "1":
		t.Fatal("the docker CLI is not on PATH, and CI_NO_SKIP forbids skipping")
	default:
		t.Skip("the docker CLI is not on PATH")
	}
	return out
}

// docker runs a docker CLI, which must succeed.
func (w *world) docker(path string, args ...string) {
	w.Helper()
	ctx, cancel := context.WithTimeout(w.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, append([]string{"-H", w.host()}, args...)...)
	cmd.Env = w.env()
	if out, err := cmd.CombinedOutput(); err != nil {
		w.Fatalf("docker %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

func (w *world) file(name, content string) string {
	w.Helper()
	path := filepath.Join(w.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		w.Fatal(err)
	}
	return path
}

// What docker and a manifest say for the same service, with every field that both service create and stack deploy state.
var (
	created = []string{
		"--label", "tier=front", "--container-label", "a=one", "--entrypoint", "/bin/run", "--env", "A=one", "--env", "B=2", "--user", "app",
		"--workdir", "/tmp", "--hostname", "h-{{.Task.Slot}}", "--mode", "replicated", "--replicas", "2",
		"--publish", "published=8091,target=80", "--publish", "published=5391,target=53,protocol=udp,mode=host",
		"--network", "name=t_one,alias=b,alias=a,alias=web", "--network", "t_two",
		"--config", "source=t_conf,target=/conf", "--config", "source=t_own,target=/etc/x,uid=1,gid=2,mode=0400",
		"--secret", "source=t_key,target=key", "--secret", "source=t_mine,target=other,uid=1,gid=0,mode=0400",
		"--mount", "type=volume,source=t_data,target=/data,volume-nocopy=true",
		"--mount", "type=bind,source=/usr,target=/y,readonly,bind-propagation=rprivate", "--mount", "type=tmpfs,target=/t,tmpfs-size=67108864",
		"--health-cmd", "true", "--health-interval", "10s", "--health-timeout", "3s", "--health-retries", "4", "--health-start-period", "5s",
		"--limit-cpu", "0.5", "--limit-memory", "64M", "--limit-pids", "100", "--reserve-cpu", "0.1", "--reserve-memory", "16M",
		"--restart-condition", "on-failure", "--restart-delay", "2s", "--restart-max-attempts", "3", "--restart-window", "1m",
		"--constraint", "node.platform.os == linux", "--placement-pref", "spread=node.labels.rack", "--replicas-max-per-node", "1",
		"--update-parallelism", "2", "--update-delay", "1s", "--update-failure-action", "rollback", "--update-monitor", "3s", "--update-max-failure-ratio", "0.3", "--update-order", "start-first",
		"--rollback-parallelism", "3", "--rollback-delay", "2s", "--rollback-failure-action", "continue", "--rollback-monitor", "4s", "--rollback-max-failure-ratio", "0.1", "--rollback-order", "start-first",
		"--stop-grace-period", "1s", "--log-driver", "json-file", "--log-opt", "max-size=10m", "--log-opt", "max-file=3",
		"--init", "--host", "db:10.0.0.1", "--cap-add", "NET_ADMIN", "--cap-drop", "CAP_CHOWN", "--read-only",
		"--stop-signal", "SIGTERM", "--tty", "--dns", "10.0.0.53", "--dns-search", "a.example", "--sysctl", "net.core.somaxconn=1024", "--ulimit", "nofile=1024:2048",
		"--detach", "--name", "t_web", "app:1", "serve", "--fast",
	}
	composed = `version: "3.9"
services:
  web:
    image: app:1
    entrypoint: [/bin/run]
    command: [serve, --fast]
    environment: {A: one, B: "2"}
    labels: {a: one}
    user: app
    working_dir: /tmp
    hostname: "h-{{.Task.Slot}}"
    ports: [{target: 80, published: 8091}, {target: 53, published: 5391, protocol: udp, mode: host}]
    networks: {one: {aliases: [b, a]}, two: {}}
    configs: [conf, {source: own, target: /etc/x, uid: "1", gid: "2", mode: 0400}]
    secrets: [key, {source: mine, target: other, uid: "1", gid: "0", mode: 0400}]
    volumes:
      - {type: volume, source: data, target: /data, volume: {nocopy: true}}
      - {type: bind, source: /usr, target: /y, read_only: true, bind: {propagation: rprivate}}
      - {type: tmpfs, target: /t, tmpfs: {size: 67108864}}
    healthcheck: {test: "true", interval: 10s, timeout: 3s, retries: 4, start_period: 5s}
    stop_grace_period: 1s
    logging: {driver: json-file, options: {max-size: 10m, max-file: "3"}}
    init: true
    extra_hosts: ["db:10.0.0.1"]
    cap_add: [NET_ADMIN]
    cap_drop: [CAP_CHOWN]
    read_only: true
    stop_signal: SIGTERM
    tty: true
    dns: [10.0.0.53]
    dns_search: [a.example]
    sysctls: {net.core.somaxconn: "1024"}
    ulimits: {nofile: {soft: 1024, hard: 2048}}
    deploy:
      mode: replicated
      replicas: 2
      labels: {tier: front}
      resources: {limits: {cpus: "0.5", memory: 64M, pids: 100}, reservations: {cpus: "0.1", memory: 16M}}
      restart_policy: {condition: on-failure, delay: 2s, max_attempts: 3, window: 1m}
      placement: {constraints: [node.platform.os == linux], preferences: [{spread: node.labels.rack}], max_replicas_per_node: 1}
      update_config: {parallelism: 2, delay: 1s, failure_action: rollback, monitor: 3s, max_failure_ratio: 0.3, order: start-first}
      rollback_config: {parallelism: 3, delay: 2s, failure_action: continue, monitor: 4s, max_failure_ratio: 0.1, order: start-first}
networks: {one: {}, two: {}}
volumes: {data: {}}
configs: {conf: {file: ./conf}, own: {file: ./own}}
secrets: {key: {file: ./key}, mine: {file: ./mine}}
`
	stated = `apiVersion: swarm-operator.io/v1
kind: Service
metadata: {name: t_web, labels: {tier: front}}
spec:
  image: app:1
  entrypoint: /bin/run
  command: [serve, --fast]
  environment: {A: one, B: "2"}
  containerLabels: {a: one}
  user: app
  workingDir: /tmp
  hostname: "h-{{.Task.Slot}}"
  mode: replicated
  replicas: 2
  ports: [{target: 80, published: 8091}, {target: 53, published: 5391, protocol: udp, mode: host}]
  networks: [{name: t_one, aliases: [a, b, web]}, NETWORK-TWO]
  configs: [{source: t_conf, target: /conf}, {source: t_own, target: /etc/x, uid: "1", gid: "2", mode: 0400}]
  secrets: [{source: t_key, target: key}, {source: t_mine, target: other, uid: "1", mode: 0400}]
  mounts:
    - {type: volume, source: t_data, target: /data, volume: {nocopy: true}}
    - {type: bind, source: /usr, target: /y, readOnly: true, bind: {propagation: rprivate}}
    - {type: tmpfs, target: /t, tmpfs: {size: 64MiB}}
  healthcheck: {test: "true", interval: 10s, timeout: 3s, retries: 4, startPeriod: 5s}
  resources: {limits: {cpus: "0.5", memory: 64MiB, pids: 100}, reservations: {cpus: "0.1", memory: 16MiB}}
  restartPolicy: {condition: on-failure, delay: 2s, maxAttempts: 3, window: 1m}
  placement: {constraints: [node.platform.os == linux], preferences: [{spread: node.labels.rack}], maxReplicasPerNode: 1}
  updateConfig: {parallelism: 2, delay: 1s, failureAction: rollback, monitor: 3s, maxFailureRatio: 0.3, order: start-first}
  rollbackConfig: {parallelism: 3, delay: 2s, failureAction: continue, monitor: 4s, maxFailureRatio: 0.1, order: start-first}
  stopGracePeriod: 1s
  logging: {driver: json-file, options: {max-size: 10m, max-file: "3"}}
  init: true
  extraHosts: {db: 10.0.0.1}
  capAdd: [CAP_NET_ADMIN]
  capDrop: [CHOWN]
  readOnly: true
  stopSignal: SIGTERM
  tty: true
  dns: 10.0.0.53
  dnsSearch: a.example
  sysctls: {net.core.somaxconn: 1024}
  ulimits: {nofile: {soft: 1024, hard: 2048}}
  endpointMode: vip
  isolation: default
`
	// The other objects. The content of secrets cannot be compared, so the secrets stay external.
	beside = []string{
		network("t_one"), network("t_two"), config("t_conf", "conf\n"), config("t_own", "own\n"),
		fmt.Sprintf(head, "Secret", "t_key") + "spec: {external: true}\n", fmt.Sprintf(head, "Secret", "t_mine") + "spec: {external: true}\n",
	}
)

// Services that people made with docker are taken over as they are. There is no write, no restart and no later drift.
func TestWhatTheDockerCLIMadeIsTakenOverAsItIs(t *testing.T) {
	t.Parallel()
	neither := strings.Fields("groupAdd stdinOpen dnsOpt oomScoreAdj credentialSpec privileges forceUpdate") // one of create and deploy cannot state it
	for field := range everyField {
		if !strings.Contains(stated, "\n  "+field+":") && !slices.Contains(neither, field) {
			t.Errorf("%s is not stated here", field)
		}
	}
	for version, docker := range dockers(t) {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			t.Run("service create", func(t *testing.T) {
				w := newWorld(t, size{1, 1})
				for _, n := range []string{"t_one", "t_two"} {
					w.docker(docker, "network", "create", "--driver", "overlay", n)
				}
				for _, n := range []string{"conf", "own"} {
					w.docker(docker, "config", "create", "t_"+n, w.file(n, n+"\n"))
				}
				for _, n := range []string{"key", "mine"} {
					w.docker(docker, "secret", "create", "t_"+n, w.file(n, n+"\n"))
				}
				w.docker(docker, append([]string{"service", "create"}, created...)...)
				w.docker(docker, "service", "create", "--detach", "--name", "everywhere", "--mode", "global", "app:1")
				w.docker(docker, "service", "create", "--detach", "--name", "once", "--mode", "replicated-job", "--replicas", "2", "finish:1")
				w.docker(docker, "service", "create", "--detach", "--name", "once-each", "--mode", "global-job", "finish:1")
				w.settled("t_web")
				w.runs("everywhere", w.nodes())
				w.finished("once", 2)
				w.finished("once-each", w.nodes())
				w.takesOver(docs(append([]string{
					strings.Replace(stated, "NETWORK-TWO", "t_two", 1), service("everywhere", "image: app:1", "mode: global"),
					service("once", "image: finish:1", "mode: replicated-job", "replicas: 2"), service("once-each", "image: finish:1", "mode: global-job"),
				}, beside...)...))
			})
			t.Run("stack deploy", func(t *testing.T) {
				w := newWorld(t, size{1, 1})
				file := w.file("compose.yaml", composed)
				for _, n := range []string{"conf", "own", "key", "mine"} {
					if err := os.WriteFile(filepath.Join(filepath.Dir(file), n), []byte(n+"\n"), 0o600); err != nil {
						t.Fatal(err)
					}
				}
				w.docker(docker, "stack", "deploy", "--compose-file", file, "t")
				w.settled("t_web")
				w.takesOver(docs(append([]string{strings.Replace(stated, "NETWORK-TWO", "{name: t_two, aliases: [web]}", 1)}, beside...)...))
			})
		})
	}
}

// finished waits until n tasks of a job are complete.
func (w *world) finished(job string, n int) {
	w.Helper()
	w.eventually(func() error {
		if got := w.complete(job); got != n {
			return fmt.Errorf("%d of %d tasks of %s are complete", got, n, job)
		}
		return nil
	})
}

// takesOver applies manifests that equal what exists, and checks that nothing changes.
func (w *world) takesOver(manifests string) {
	w.Helper()
	before, tasks := w.services(), w.taskIDs()
	r := w.repo("taking", map[string]string{"all.yaml": manifests})
	p := w.proxy()
	out := w.want(0, "apply", "--host", p.Host(), "--source", r.Dir, "--wait")
	for _, s := range before {
		if !strings.Contains(out.out, "= Service/"+s.Spec.Name) {
			w.Errorf("apply does not say that it takes over %s:\n%s", s.Spec.Name, out)
		}
	}
	o := w.operate(p.Host(), r, "--repair-after", "0s", "--resync", "2s")
	o.condition("InSync", true)
	w.holds(*watchPeriod, func() error {
		report := o.report()
		if len(report.Drift) > 0 || !report.Is("InSync", true) {
			return fmt.Errorf("it drifts: %s: %+v", brief(report), report.Drift)
		}
		return nil
	})
	for _, s := range before {
		w.untouched(s)
		if now := w.service(s.Spec.Name); s.JobStatus != nil && now.JobStatus.JobIteration != s.JobStatus.JobIteration {
			w.Errorf("%s ran again", s.Spec.Name)
		}
	}
	if now := w.taskIDs(); !slices.Equal(now, tasks) {
		w.Errorf("tasks were %q and are %q", tasks, now)
	}
	for _, c := range p.Writes() {
		if !strings.HasPrefix(c.Path, "/configs/") { // its memory
			w.Errorf("it wrote: %s", c)
		}
	}
	w.want(0, "diff", "--host", w.host(), "--source", r.Dir)
}

// taskIDs returns the tasks of all services. A restart makes another task, and so another ID.
func (w *world) taskIDs() []string {
	w.Helper()
	ids := map[string]bool{}
	for _, s := range w.services() {
		for _, t := range w.tasks(s.Spec.Name) {
			ids[s.Spec.Name+" "+t.ID+" "+string(t.DesiredState)] = true
		}
	}
	return slices.Sorted(maps.Keys(ids))
}
