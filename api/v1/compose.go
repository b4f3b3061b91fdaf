package v1

import (
	"slices"
	"strconv"
	"strings"
)

// ComposeWord describes what the manifest of a Service has in place of a word of compose files.
type ComposeWord struct {
	// To is the path of the field in a manifest. It is "" if there is no such field.
	To string
	// Note says what differs. If To is "", it says why there is no such field and what to do instead.
	Note string
	// write renders the word's value in the manifest's form. If it is nil, the value stays as it is.
	write func(items []string) string
}

// composeWords lists the words of compose's services that manifests do not have, by their path in compose. A word
// that differs only in its spelling, such as stop_grace_period, is not listed, because the search for the nearest
// field finds it.
var composeWords = map[string]ComposeWord{
	"deploy.replicas":        {To: "spec.replicas"},
	"deploy.mode":            {To: "spec.mode"},
	"deploy.labels":          {To: "metadata.labels"},
	"deploy.endpoint_mode":   {To: "spec.endpointMode"},
	"deploy.placement":       {To: "spec.placement", Note: "its fields are constraints, preferences and maxReplicasPerNode"},
	"deploy.resources":       {To: "spec.resources", Note: "its fields are limits and reservations, with cpus and memory, and limits.pids"},
	"deploy.restart_policy":  {To: "spec.restartPolicy", Note: "its fields are condition, delay, maxAttempts and window"},
	"deploy.update_config":   {To: "spec.updateConfig", Note: updateFields},
	"deploy.rollback_config": {To: "spec.rollbackConfig", Note: updateFields},
	"deploy":                 {To: "spec", Note: "the fields of deploy stand in spec itself, and deploy.labels in metadata.labels"},

	"volumes":    {To: "spec.mounts", Note: "named volumes need no declaration", write: listOf(mountOf)},
	"tmpfs":      {To: "spec.mounts", write: listOf(func(s string) string { return "{type: tmpfs, target: " + yamlText(s) + "}" })},
	"labels":     {To: "spec.containerLabels", Note: "labels of the service (deploy.labels) are metadata.labels"},
	"depends_on": {To: "policy.dependsOn", Note: "it orders what changes together", write: listOf(func(s string) string { return yamlText(KindService + "/" + s) })},
	"restart":    {To: "spec.restartPolicy.condition", Note: "its values are any, on-failure and none", write: restartOf},
	"scale":      {To: "spec.replicas"},
	"cpus":       {To: "spec.resources.limits.cpus"},
	"mem_limit":  {To: "spec.resources.limits.memory"},
	"pids_limit": {To: "spec.resources.limits.pids"},

	"mem_reservation": {To: "spec.resources.reservations.memory"},
	"network_mode":    {To: "spec.networks", Note: "for host: networks: [host], beside a manifest of Network/host with external: true"},
	"log_driver":      {To: "spec.logging.driver"},
	"log_opt":         {To: "spec.logging.options"},

	"security_opt":   {To: "spec.privileges", Note: "its fields are noNewPrivileges, appArmor, seccomp and seLinux"},
	"mem_swappiness": {To: "spec.resources.memorySwappiness"},
	"memswap_limit":  {To: "spec.resources.memorySwap", Note: "which is the swap alone: memswap_limit less mem_limit"},

	"build":          {Note: "the swarm runs images and builds none: build and push the image, and name it in spec.image"},
	"develop":        {Note: "it is for building and watching on one machine"},
	"pull_policy":    {Note: "each node pulls an image that it does not have; a digest in spec.image says which one"},
	"platform":       {Note: "the swarm reads the platforms from the image; to choose nodes, write spec.placement.constraints: [node.platform.arch == x86_64]"},
	"container_name": {Note: "the swarm names the containers itself; the service is metadata.name, and that is its name in DNS"},
	"links":          {Note: "services of a network find each other by name; write spec.networks, and spec.networks[].aliases for other names"},
	"external_links": {Note: "services of a network find each other by name; write spec.networks"},
	"expose":         {Note: "services of a network reach every port of each other; write spec.ports only for what is published outside"},
	"env_file":       {Note: "files of variables are not read; write the variables in spec.environment, and secrets as a manifest of kind Secret"},
	"label_file":     {Note: "files of labels are not read; write them in spec.containerLabels"},
	"extends":        {Note: "a manifest stands for itself; YAML anchors (&name, *name, <<) work within a document"},
	"profiles":       {Note: "a source is applied whole; use one directory each, with --path"},
	"provider":       {Note: "it is for docker compose on one machine"},
	"models":         {Note: "it is for docker compose on one machine"},
	"annotations":    {Note: "the swarm has no annotations; write spec.containerLabels or metadata.labels"},
	"attach":         {Note: "it is for docker compose in a terminal"},
	"post_start":     {Note: "the swarm runs no hooks; put it into the image's entrypoint"},
	"pre_stop":       {Note: "the swarm runs no hooks; handle the stop signal, for which spec.stopGracePeriod leaves time"},
	"volumes_from":   {Note: "tasks share no container; name the same volume in spec.mounts of both"},
	"use_api_socket": {Note: "write spec.mounts: [{type: bind, source: /var/run/docker.sock, target: /var/run/docker.sock}]"},
	"privileged":     {Note: notInSwarm + "; write spec.capAdd for single capabilities"},
	"devices":        {Note: notInSwarm},
	"gpus":           {Note: notInSwarm},
	"pid":            {Note: notInSwarm},
	"ipc":            {Note: notInSwarm},
	"uts":            {Note: notInSwarm},
	"userns_mode":    {Note: notInSwarm},
	"cgroup":         {Note: notInSwarm},
	"cgroup_parent":  {Note: notInSwarm},
	"blkio_config":   {Note: notInSwarm},
	"cpu_count":      {Note: notInSwarm + "; write spec.resources.limits.cpus"},
	"cpu_percent":    {Note: notInSwarm + "; write spec.resources.limits.cpus"},
	"cpu_shares":     {Note: notInSwarm + "; write spec.resources.reservations.cpus"},
	"cpu_period":     {Note: notInSwarm + "; write spec.resources.limits.cpus"},
	"cpu_quota":      {Note: notInSwarm + "; write spec.resources.limits.cpus"},
	"cpu_rt_runtime": {Note: notInSwarm},
	"cpu_rt_period":  {Note: notInSwarm},
	"cpuset":         {Note: notInSwarm},
	"domainname":     {Note: notInSwarm + "; write the whole name in spec.hostname"},
	"mac_address":    {Note: notInSwarm},
	"shm_size":       {Note: notInSwarm + "; write spec.mounts: [{type: tmpfs, target: /dev/shm, tmpfs: {size: 64MiB}}]"},
	"storage_opt":    {Note: notInSwarm},
	"volume_driver":  {Note: "write volume.driver in each of spec.mounts"},

	"device_cgroup_rules": {Note: notInSwarm},
	"oom_kill_disable":    {Note: notInSwarm},
}

const (
	updateFields = "its fields are parallelism, delay, failureAction, monitor, maxFailureRatio and order"
	notInSwarm   = "services of a swarm do not have it"
)

// Compose returns what a Service has in place of a word of compose, such as deploy.replicas. deeper reports whether
// the list has words below this path. ok is false if the list does not have the word itself.
func Compose(path string) (word ComposeWord, deeper, ok bool) {
	for p := range composeWords {
		deeper = deeper || strings.HasPrefix(p, path+".")
	}
	word, ok = composeWords[path]
	return word, deeper, ok
}

// Hint says what to do with the word. items are the texts of its value: the value itself, the elements of a list, or
// the keys of a mapping. If items is nil, the hint does not show them.
func (w ComposeWord) Hint(items []string) string {
	if w.To == "" {
		return "is a word of compose files that does not exist here: " + w.Note
	}
	instead := " instead"
	if w.write != nil && len(items) > 0 {
		if form := w.write(items); form != "" {
			instead = ": " + form
		}
	}
	text := "is a word of compose files; write " + w.To + instead
	if w.Note != "" {
		text += "; " + w.Note
	}
	return text
}

// mostItems is how many elements of a list a hint writes out at most.
const mostItems = 3

// listOf returns a function that writes each item with one, and then the list of them. It returns "" if one returns
// "".
func listOf(one func(string) string) func([]string) string {
	return func(items []string) string {
		var out []string
		for _, s := range items[:min(len(items), mostItems)] {
			text := one(s)
			if text == "" {
				return ""
			}
			out = append(out, text)
		}
		if len(items) > mostItems {
			out = append(out, "…")
		}
		return "[" + strings.Join(out, ", ") + "]"
	}
}

func restartOf(items []string) string {
	switch word, _, _ := strings.Cut(items[0], ":"); word {
	case "always", "unless-stopped":
		return "any"
	case "on-failure":
		return word
	case "no":
		return "none"
	}
	return ""
}

// Longhand is a value that compose can also write as one string.
type Longhand interface {
	// Longhand returns how to write that string in a manifest. If it cannot read the string, it returns a form that
	// is right in general.
	Longhand(short string) string
}

// Longhand writes compose's 8080:80/udp as a mapping.
func (Port) Longhand(short string) string {
	const general = "{target: 80, published: 8080}, one for each port"
	rest, protocol, _ := strings.Cut(short, "/")
	parts := strings.Split(rest, ":")
	last := parts[len(parts)-1]
	if !isPort(last) || len(parts) > 3 || protocol != "" && !slices.Contains([]string{"tcp", "udp", "sctp"}, protocol) {
		return general
	}
	text := "{target: " + last
	if len(parts) > 1 {
		published := parts[len(parts)-2]
		if !isPort(published) {
			return general
		}
		text += ", published: " + published
	}
	if protocol != "" && protocol != "tcp" {
		text += ", protocol: " + protocol
	}
	text += "}"
	if len(parts) == 3 {
		text += "; the swarm publishes on every address of its nodes"
	}
	return text
}

func isPort(s string) bool {
	n, err := strconv.Atoi(s)
	return err == nil && n > 0 && n < 65536
}

// Longhand writes compose's data:/var/lib/data:ro as a mapping.
func (Mount) Longhand(short string) string {
	if text := mountOf(short); text != "" {
		return text
	}
	return "{type: volume, source: data, target: /var/lib/data}, or type: bind with a path of the node as source"
}

// mountOf returns "" if a text is not in compose's short form, or needs something that only one machine knows.
func mountOf(short string) string {
	parts := strings.Split(short, ":")
	if len(parts) > 3 || short == "" || strings.ContainsAny(short, "${}") {
		return ""
	}
	source, target, options := "", parts[0], ""
	if len(parts) > 1 {
		source, target = parts[0], parts[1]
	}
	if len(parts) == 3 {
		options = parts[2]
	}
	if !strings.HasPrefix(target, "/") {
		return ""
	}
	kind := "volume"
	switch {
	case strings.HasPrefix(source, "/"):
		kind = "bind"
	case strings.HasPrefix(source, ".") || strings.HasPrefix(source, "~"):
		kind, source = "bind", "/absolute/path/of/the/node"
	}
	text := "{type: " + kind
	if source != "" {
		text += ", source: " + yamlText(source)
	}
	text += ", target: " + yamlText(target)
	if slices.Contains(strings.Split(options, ","), "ro") {
		text += ", readOnly: true"
	}
	return text + "}"
}

// yamlText returns a text as it can stand in a YAML mapping in braces.
func yamlText(s string) string {
	if s == "" || strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-") != "" || strings.HasPrefix(s, "-") {
		return strconv.Quote(s)
	}
	return s
}
