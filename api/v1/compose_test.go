package v1

import (
	"reflect"
	"slices"
	"strings"
	"testing"
)

// These are the words that compose's specification lists for a service and for its deploy, without the words below
// them.
const (
	composeService = `annotations attach blkio_config build cap_add cap_drop cgroup cgroup_parent command configs container_name cpu_count
		cpu_percent cpu_period cpu_quota cpu_rt_period cpu_rt_runtime cpu_shares cpus cpuset credential_spec depends_on deploy develop
		device_cgroup_rules devices dns dns_opt dns_search domainname entrypoint env_file environment expose extends external_links
		extra_hosts gpus group_add healthcheck hostname image init ipc isolation label_file labels links log_driver log_opt logging mac_address
		mem_limit mem_reservation mem_swappiness memswap_limit models network_mode networks oom_kill_disable oom_score_adj pid pids_limit
		platform ports post_start pre_stop privileged profiles provider pull_policy read_only restart runtime scale secrets security_opt
		shm_size stdin_open stop_grace_period stop_signal storage_opt sysctls tmpfs tty ulimits use_api_socket user userns_mode uts
		volume_driver volumes volumes_from working_dir`
	composeDeploy = `endpoint_mode labels mode placement replicas resources restart_policy rollback_config update_config`
	// Below these words every field has compose's own name, in camel case.
	composeBelow = `healthcheck.test healthcheck.interval healthcheck.timeout healthcheck.start_period healthcheck.start_interval
		healthcheck.retries healthcheck.disable logging.driver logging.options ports.target ports.published ports.protocol ports.mode
		configs.source configs.target configs.uid configs.gid configs.mode secrets.source secrets.target secrets.uid secrets.gid secrets.mode
		networks.aliases`
)

// fieldsOfService returns the paths of a Service's fields. A list stands for the fields of its elements.
func fieldsOfService() map[string]bool {
	out := map[string]bool{}
	var walk func(t reflect.Type, at string)
	walk = func(t reflect.Type, at string) {
		for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
			t = t.Elem()
		}
		if t.Kind() != reflect.Struct {
			return
		}
		for _, f := range reflect.VisibleFields(t) {
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			if name == "" || name == "-" {
				continue
			}
			path := strings.TrimPrefix(at+"."+name, ".")
			out[path] = true
			walk(f.Type, path)
		}
	}
	walk(reflect.TypeFor[Service](), "")
	return out
}

func TestEveryWordOfComposeIsAnswered(t *testing.T) {
	there := fieldsOfService()
	answered := func(word string) bool {
		if _, deeper, ok := Compose(word); ok || deeper {
			return true
		}
		if _, refused := Dropped(KindService, "spec."+word); refused {
			return true
		}
		for path := range there {
			if fold(path) == fold("spec."+word) {
				return true
			}
		}
		return false
	}
	for _, word := range strings.Fields(composeService + " " + composeBelow) {
		if !answered(word) {
			t.Errorf("nothing is said of %s", word)
		}
	}
	for _, word := range strings.Fields(composeDeploy) {
		if _, _, ok := Compose("deploy." + word); !ok {
			t.Errorf("nothing is said of deploy.%s", word)
		}
	}
}

func TestAnswersToComposeNameFieldsThatExist(t *testing.T) {
	there := fieldsOfService()
	known := strings.Fields(composeService)
	for word, w := range composeWords {
		first, below, _ := strings.Cut(word, ".")
		if !slices.Contains(known, first) || below != "" && !slices.Contains(strings.Fields(composeDeploy), below) {
			t.Errorf("%s is no word of compose", word)
		}
		if there["spec."+word] {
			t.Errorf("%s is a field: it needs no answer", word)
		}
		switch {
		case w.To == "" && w.Note == "":
			t.Errorf("%s has no answer", word)
		case w.To != "" && !there[w.To]:
			t.Errorf("%s leads to %s, which does not exist", word, w.To)
		}
		for _, name := range strings.FieldsFunc(w.Note, func(r rune) bool { return strings.ContainsRune(" ,;:()", r) }) {
			name = strings.ReplaceAll(strings.TrimSuffix(name, "."), "[]", "")
			if (strings.HasPrefix(name, "spec.") || strings.HasPrefix(name, "metadata.")) && !there[name] {
				t.Errorf("the answer to %s names %s, which does not exist", word, name)
			}
		}
	}
	for _, group := range []struct{ path, note string }{{"spec.updateConfig", updateFields}} {
		for path := range there {
			if name, below := strings.CutPrefix(path, group.path+"."); below && !strings.Contains(name, ".") && !strings.Contains(group.note, name) {
				t.Errorf("the note on %s leaves out %s", group.path, name)
			}
		}
	}
}

func TestComposeShortForms(t *testing.T) {
	for _, c := range []struct {
		of          Longhand
		short, want string
	}{
		{Port{}, "8080:80", "{target: 80, published: 8080}"},
		{Port{}, "80", "{target: 80}"},
		{Port{}, "53:53/udp", "{target: 53, published: 53, protocol: udp}"},
		{Port{}, "8080:80/tcp", "{target: 80, published: 8080}"},
		{Port{}, "127.0.0.1:8080:80", "{target: 80, published: 8080}; the swarm publishes on every address of its nodes"},
		{Port{}, "3000-3005", "{target: 80, published: 8080}, one for each port"},
		{Port{}, "9090-9091:8080-8081", "{target: 80, published: 8080}, one for each port"},
		{Port{}, "${PORT}:80", "{target: 80, published: 8080}, one for each port"},
		{Port{}, "80:80/http", "{target: 80, published: 8080}, one for each port"},
		{Port{}, "", "{target: 80, published: 8080}, one for each port"},
		{Mount{}, "data:/var/lib/data", "{type: volume, source: data, target: /var/lib/data}"},
		{Mount{}, "/srv/a b:/data:ro", `{type: bind, source: "/srv/a b", target: /data, readOnly: true}`},
		{Mount{}, "/cache", "{type: volume, target: /cache}"},
		{Mount{}, "./conf:/etc/app", "{type: bind, source: /absolute/path/of/the/node, target: /etc/app}"},
		{Mount{}, "$HOME:/x", "{type: volume, source: data, target: /var/lib/data}, or type: bind with a path of the node as source"},
		{Mount{}, "nonsense", "{type: volume, source: data, target: /var/lib/data}, or type: bind with a path of the node as source"},
	} {
		if got := c.of.Longhand(c.short); got != c.want {
			t.Errorf("%T %q is written as %s, want %s", c.of, c.short, got, c.want)
		}
	}
}
