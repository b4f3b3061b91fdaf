package v1

// notYet lists fields that the engine has and manifests cannot state yet, by kind and generic path. Every write keeps
// their live values.
var notYet = map[string]map[string]string{
	KindService: {
		"spec.runtime": "services of plugins",
		"spec.resources.reservations.genericResources[].namedResourceSpec": "the swarm takes resources by number for tasks, not by name",
	},
	KindNetwork: {"spec.ingress": "the swarm's own network is made with docker"},
	KindSecret:  {"spec.driver": "", "spec.driverOpts": ""},
}

// dropped lists fields that the engine's types have and that the engine refuses or drops, so that no manifest will ever
// state them. why says so.
var dropped = map[string]map[string]string{
	KindService: {
		"spec.mounts[].consistency":         "the engine drops it",
		"spec.mounts[].bind.createHostPath": "the engine drops it for services: create the directory on the nodes",
		"spec.mounts[].image":               "the engine mounts no images into services",
		"spec.mounts[].cluster":             "the engine has no options for cluster volumes: leave it out",
	},
	KindNetwork: {
		"spec.configOnly":                 "a network with nothing but settings is one node's: make it with docker on each node, and name it in configFrom",
		"spec.enableIPv4":                 "the engine drops it: every network of a swarm has IPv4",
		"spec.scope":                      "every Network is the swarm's",
		"spec.ipam.config[].auxAddresses": "the engine drops them for networks of a swarm",
	},
	KindCluster: {
		"spec.taskDefaults":           "the engine's API drops the default log driver; daemon.json of each node has one",
		"spec.taskDefaults.logDriver": "the engine's API drops it; daemon.json of each node has one",
	},
}

// NotYet reports whether the engine has a field that manifests cannot state yet. path has no list keys, as in
// spec.networks[].driverOpts. why adds what people should know about the field, or is "".
func NotYet(kind, path string) (why string, ok bool) {
	why, ok = notYet[kind][path]
	return why, ok
}

// Dropped reports whether the engine's types have a field that the engine refuses or drops, and says why it does.
func Dropped(kind, path string) (why string, ok bool) {
	why, ok = dropped[kind][path]
	return why, ok
}
