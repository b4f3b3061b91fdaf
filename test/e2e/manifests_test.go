package e2e

import (
	"fmt"
	"strings"
)

const head = "apiVersion: swarm-operator.io/v1\nkind: %s\nmetadata: {name: %s}\n"

// service returns a Service manifest. spec is its spec as lines of YAML, such as "image: app:1".
func service(name string, spec ...string) string {
	return fmt.Sprintf(head, "Service", name) + "spec:\n  " + strings.Join(spec, "\n  ") + "\n"
}

func network(name string) string { return fmt.Sprintf(head, "Network", name) + "spec: {}\n" }

// volume returns a manifest of a cluster volume with the settings that it must have, and more.
func volume(name, driver string, more ...string) string {
	return fmt.Sprintf(head, "Volume", name) + "spec:\n  " + strings.Join(append([]string{"driver: " + driver, "accessMode: {type: mount}"}, more...), "\n  ") + "\n"
}

func config(name, content string) string {
	return fmt.Sprintf(head, "Config", name) + fmt.Sprintf("spec: {data: %q}\n", content)
}

func secret(name, content string) string {
	return fmt.Sprintf(head, "Secret", name) + fmt.Sprintf("spec: {data: %q}\n", content)
}

// policy adds a policy to a manifest.
func policy(manifest, policy string) string { return manifest + "policy: {" + policy + "}\n" }

// docs joins manifests into one file.
func docs(manifests ...string) string { return strings.Join(manifests, "---\n") }

// quick makes the roll-out of a few tasks take a second or two. On a busy machine the end of a real container may be
// noticed late, and the swarm would take the update for a good one. Engines therefore get a longer monitor.
func quick(failureAction string) string {
	monitor := "1s"
	if *swarmKind == onEngines {
		monitor = "4s"
	}
	return "updateConfig: {parallelism: 1, monitor: " + monitor + ", failureAction: " + failureAction + "}"
}

const quickRestart = "restartPolicy: {delay: 500ms}"
