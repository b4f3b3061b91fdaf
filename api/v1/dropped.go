package v1

// noPlugins is the reason for services that install plugins. The docker CLI makes none either.
const noPlugins = "an engine takes services of plugins only with its experimental features on, and a plugin may have root's power on every node: install it there with docker plugin install"

// noRuntime is the reason for the field that says what tasks are. Compose has a word runtime of another meaning.
const noRuntime = "containers run with the default runtime in daemon.json of their node; " + noPlugins

// dropped lists fields that the engine's types have and that the engine refuses or drops, so that no manifest will ever
// state them. why says so.
var dropped = map[string]map[string]string{
	KindService: {
		"spec.runtime":                      noRuntime,
		"spec.pluginSpec":                   noPlugins,
		"spec.mounts[].consistency":         "the engine drops it",
		"spec.mounts[].bind.createHostPath": "the engine drops it for services: create the directory on the nodes",
		"spec.mounts[].image":               "the engine mounts no images into services",
		"spec.mounts[].cluster":             "the engine has no options for cluster volumes: leave it out",

		"spec.resources.reservations.genericResources[].namedResourceSpec": "the swarm gives tasks resources by number and not by name: state discreteResourceSpec",
	},
	KindNetwork: {
		"spec.configOnly":                 "a network with nothing but settings is one node's: make it with docker on each node, and name it in configFrom",
		"spec.enableIPv4":                 "the engine drops it: every network of a swarm has IPv4",
		"spec.scope":                      "every Network is the swarm's",
		"spec.ipam.config[].auxAddresses": "the engine drops them for networks of a swarm",
	},
	KindConfig: {
		"spec.driver":     "the engine has drivers for secrets alone: state data or file",
		"spec.driverOpts": "the engine has drivers for secrets alone: state data or file",
	},
	KindCluster: {
		"spec.taskDefaults":           "the engine's API drops the default log driver; daemon.json of each node has one",
		"spec.taskDefaults.logDriver": "the engine's API drops it; daemon.json of each node has one",
	},
}

// Dropped reports whether the engine's types have a field that the engine refuses or drops, and says why it does.
func Dropped(kind, path string) (why string, ok bool) {
	why, ok = dropped[kind][path]
	return why, ok
}
