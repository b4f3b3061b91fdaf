package e2e

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/swarm-operator/swarm-operator/test/harness"
	"github.com/swarm-operator/swarm-operator/test/turn"
)

// everyField has two values for each field of a service.
var everyField = map[string][2]string{
	"image":           {"app:1", "app:2"},
	"entrypoint":      {"[/bin/one, -x]", "/bin/two -y 'a b'"},
	"command":         {"[serve, --fast]", "[serve, --slow]"},
	"environment":     {`{A: one, B: "2", PASSWORD: first, GONE: null}`, `{B: "3", C: three, PASSWORD: second}`},
	"containerLabels": {"{a: one}", "{a: two, b: one}"},
	"user":            {"app", `"1000:1000"`},
	"workingDir":      {"/srv", "/opt"},
	"hostname":        {"one", "'{{.Task.Slot}}.two'"},
	"replicas":        {"0", "1"},
	"ports":           {"[{target: 80, published: 8001, name: http}, {target: 53, published: 5301, protocol: udp, mode: host}]", "[{target: 80, published: 8002}, {target: 443}]"},
	"networks":        {"[one, {name: two, aliases: [b, a], driverOpts: {a: b}}]", "[{name: two, aliases: [c]}]"},
	"configs":         {"[conf, {source: conf, target: /etc/x, uid: '1', gid: '2', mode: 0400}]", "[{source: conf, target: /etc/y, mode: 0440}]"},
	"secrets":         {"[key]", "[{source: key, target: other, uid: '1', gid: '2', mode: 0400}]"},
	"mounts": {
		"[{type: volume, source: data, target: /data/, volume: {nocopy: true, subpath: a/b, driver: nfs, driverOpts: {share: 'nas:/data'}, labels: {a: one}}}, {type: bind, source: /x/, target: /y, readOnly: true, bind: {propagation: rslave, recursive: disabled}}, {type: tmpfs, target: /t, tmpfs: {size: 64MiB, mode: 0700, options: [noexec, uid=1000]}}, {type: npipe, source: '\\\\.\\pipe\\a', target: '\\\\.\\pipe\\a'}]",
		"[{type: volume, target: /anonymous}, {type: volume, source: data, target: /data, volume: {driver: local, driverOpts: {type: nfs, device: ':/a'}}}, {type: tmpfs, target: /t, tmpfs: {size: 32MiB}}]",
	},
	"healthcheck":     {"{test: [CMD, ok], interval: 10s, timeout: 3s, retries: 4, startPeriod: 5s, startInterval: 1s}", "{disable: true}"},
	"resources":       {`{limits: {cpus: "0.5", memory: 64MiB, pids: 100}, reservations: {cpus: "0.25", memory: 32MiB, genericResources: [{discreteResourceSpec: {kind: gpu, value: 2}}]}, memorySwap: 0, memorySwappiness: 10}`, `{limits: {cpus: "0.75"}}`},
	"restartPolicy":   {"{condition: on-failure, delay: 2s, maxAttempts: 3, window: 1m}", "{condition: any, delay: 7s}"},
	"placement":       {"{constraints: [node.role == manager, node.labels.zone != b], preferences: [{spread: node.labels.rack}], maxReplicasPerNode: 2, platforms: [{os: linux, architecture: amd64}, {os: linux}]}", "{constraints: [node.platform.os == linux], platforms: [{os: linux}]}"},
	"updateConfig":    {"{parallelism: 2, delay: 1s, failureAction: rollback, monitor: 3s, maxFailureRatio: 0.333333333333, order: start-first}", "{parallelism: 0, failureAction: continue}"},
	"rollbackConfig":  {"{parallelism: 3, delay: 2s, failureAction: continue, monitor: 4s, maxFailureRatio: 0.1, order: stop-first}", "{order: start-first}"},
	"stopGracePeriod": {"30s", "1m30s"},
	"logging":         {"{driver: json-file, options: {max-size: 10m, max-file: '3'}}", "{driver: none}"},
	"init":            {"true", "false"},
	"extraHosts":      {"['db:10.0.0.1', 'cache:10.0.0.2']", "{db: 10.0.0.3}"},
	"capAdd":          {"[NET_ADMIN, CAP_SYS_TIME]", "[SYS_PTRACE]"},
	"capDrop":         {"[ALL]", "[CAP_CHOWN]"},
	"readOnly":        {"true", "false"},
	"groupAdd":        {"[audio, '101']", "[video]"},
	"stopSignal":      {"SIGINT", "quit"},
	"tty":             {"true", "false"},
	"stdinOpen":       {"true", "false"},
	"dns":             {"[10.0.0.53, 'fd00::35']", "10.0.0.54"},
	"dnsSearch":       {"[a.example, b.example]", "c.example"},
	"dnsOpt":          {"[ndots:2]", "[rotate]"},
	"sysctls":         {"{net.core.somaxconn: 1024, net.ipv4.ip_forward: '1'}", "[net.core.somaxconn=2048]"},
	"ulimits":         {"{nofile: 1024, nproc: {soft: 1, hard: -1}}", "{nofile: {soft: 1024, hard: 2048}}"},
	"oomScoreAdj":     {"500", "-500"},
	"isolation":       {"hyperv", "process"},
	"credentialSpec":  {"{config: conf}", "{file: a.json}"},
	"privileges":      {"{noNewPrivileges: true, appArmor: disabled, seccomp: {mode: custom, profile: '{}'}, seLinux: {type: t, level: l, user: u, role: r}}", "{seccomp: {mode: unconfined}, seLinux: {disable: true}}"},
	"endpointMode":    {"vip", "vip"},
	"forceUpdate":     {"3", "4"},
}

func (w *world) fields(values map[string]string) map[string]string {
	var spec []string
	for _, field := range slices.Sorted(maps.Keys(values)) {
		spec = append(spec, field+": "+values[field])
	}
	return map[string]string{"full.yaml": strings.Replace(service("full", spec...), "name: full}", "name: full, labels: {tier: front}}", 1)}
}

// All fields are written together. Then a third of them is changed and taken away one by one, and the others with the
// next commits.
func TestEveryFieldIsInSyncAfterOneWrite(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 0})
	r := w.repo("full", map[string]string{"others.yaml": docs(
		network("one"), config("conf", "content\n"), secret("key", "content\n"),
		fmt.Sprintf(head, "Network", "two")+"spec: {attachable: true, internal: true, driverOpts: {encrypted: ''}, ipam: {config: [{subnet: 10.77.0.0/24, gateway: 10.77.0.9, ipRange: 10.77.0.128/25}]}}\n",
	)})
	p := w.proxy()
	values := map[string]string{}
	for field, v := range everyField {
		values[field] = v[0]
	}
	w.leaveOut(values)
	commit := func(what string, paths ...string) {
		t.Helper()
		r.commit(what, w.fields(values))
		out := w.want(1, "diff", "-o", "json", "--host", w.host(), "--source", r.Dir)
		if len(paths) > 0 {
			only(t, what, out.out, paths...)
		}
		p.Reset()
		w.want(0, "apply", "--host", p.Host(), "--source", r.Dir)
		if writes := accepted(serviceWrites(p.Calls())); len(writes) != 1 {
			t.Errorf("%s: want one write, got\n%s", what, lines(writes))
		}
	}
	inSync := func() {
		t.Helper()
		if out := w.cli("diff", "--host", w.host(), "--source", r.Dir); out.code != 0 {
			t.Errorf("it is not in sync after one write: %s", out)
		}
	}
	commit("everything")
	inSync() // from here on, whatever is out of sync shows as a difference of the next field
	changes := turn.Part(3, slices.Sorted(maps.Keys(values)))
	for _, field := range changes {
		if everyField[field][0] == everyField[field][1] || field == "replicas" && *swarmKind == onEngines {
			continue // a container could not start with such fields, and its update would be rolled back
		}
		values[field] = everyField[field][1]
		w.leaveOut(values)
		commit("another "+field, "spec."+field)
	}
	for _, field := range changes {
		if slices.Contains([]string{"image", "replicas", "endpointMode", "forceUpdate"}, field) || everyField[field][1] == "false" {
			continue // in this order: needed; no longer ours; already at its default; no longer ours
		}
		delete(values, field)
		commit("no "+field, "spec."+field)
	}
	inSync()
	if got := env(w.service("full")); len(got) > 0 && slices.Contains(changes, "environment") {
		t.Errorf("the environment is %q", got)
	}
}

// leaveOut takes away what the engine does not know.
func (w *world) leaveOut(values map[string]string) {
	for _, part := range []struct{ api, field, text string }{
		{"1.44", "healthcheck", ", startInterval: 1s"},
		{"1.44", "privileges", ""},
		{"1.45", "mounts", ", subpath: a/b"},
		{"1.46", "mounts", ", options: [noexec, uid=1000]"},
		{"1.46", "oomScoreAdj", ""},
		{"1.52", "resources", ", memorySwap: 0, memorySwappiness: 10"},
	} {
		switch {
		case w.knows(part.api):
		case part.text == "":
			delete(values, part.field)
		case values[part.field] != "":
			values[part.field] = strings.Replace(values[part.field], part.text, "", 1)
		}
	}
}

// only checks that a plan is about the service's fields at or below these paths, and about nothing else.
func only(t *testing.T, what, text string, paths ...string) {
	t.Helper()
	var plan struct {
		Steps []struct {
			Object string
			Fields []harness.Field
		}
	}
	if err := json.Unmarshal([]byte(text), &plan); err != nil {
		t.Fatal(err)
	}
	if len(plan.Steps) != 1 || plan.Steps[0].Object != "Service/full" || len(plan.Steps[0].Fields) == 0 {
		t.Errorf("%s: the plan is %+v", what, plan)
		return
	}
	for _, f := range plan.Steps[0].Fields {
		if !slices.ContainsFunc(paths, func(p string) bool { return strings.HasPrefix(f.Path, p) }) {
			t.Errorf("%s: %s differs too: %+v", what, f.Path, f)
		}
	}
}
