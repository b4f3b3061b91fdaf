package v1

// notYet lists fields that the engine has and manifests cannot state yet, by kind and generic path. Every write keeps
// their live values. The service's list is complete: a test holds it against the engine's own types.
var notYet = map[string]map[string]string{
	KindService: {
		"spec.groups":                                  "supplementary groups",
		"spec.privileges":                              "credential spec, SELinux, seccomp, AppArmor, no-new-privileges",
		"spec.stopSignal":                              "",
		"spec.tty":                                     "",
		"spec.openStdin":                               "",
		"spec.stdinOpen":                               "",
		"spec.dns":                                     "",
		"spec.dnsSearch":                               "",
		"spec.dnsOpt":                                  "",
		"spec.isolation":                               "",
		"spec.sysctls":                                 "",
		"spec.ulimits":                                 "",
		"spec.oomScoreAdj":                             "",
		"spec.runtime":                                 "services of plugins",
		"spec.forceUpdate":                             "",
		"spec.endpointMode":                            "live services keep theirs; new ones get vip",
		"spec.maxConcurrent":                           "",
		"spec.credentialSpec":                          "",
		"spec.ports[].name":                            "",
		"spec.networks[].driverOpts":                   "",
		"spec.mounts[].consistency":                    "the engine drops it",
		"spec.mounts[].bind.nonRecursive":              "",
		"spec.mounts[].bind.createHostPath":            "",
		"spec.mounts[].volume.labels":                  "",
		"spec.mounts[].volume.subpath":                 "",
		"spec.mounts[].volume.driver":                  "",
		"spec.mounts[].volume.driverConfig":            "",
		"spec.mounts[].image":                          "",
		"spec.mounts[].cluster":                        "",
		"spec.mounts[].tmpfs.options":                  "",
		"spec.resources.reservations.genericResources": "",
		"spec.placement.platforms":                     "chosen by the image",
	},
	KindNetwork: {
		"spec.configFrom":                 "",
		"spec.configOnly":                 "",
		"spec.enableIPv4":                 "",
		"spec.ingress":                    "",
		"spec.scope":                      "every Network is the swarm's",
		"spec.ipam.config[].auxAddresses": "",
	},
	KindCluster: {
		"spec.taskDefaults":           "the engine's API drops the default log driver; daemon.json of each node has one",
		"spec.taskDefaults.logDriver": "the engine's API drops it; daemon.json of each node has one",
	},
	KindConfig: {"spec.templating": "", "spec.templateDriver": ""},
	KindSecret: {"spec.templating": "", "spec.templateDriver": "", "spec.driver": "", "spec.driverOpts": ""},
}

// NotYet reports whether the engine has a field that manifests cannot state yet. path has no list keys, as in
// spec.mounts[].consistency. why adds what people should know about the field, or is "".
func NotYet(kind, path string) (why string, ok bool) {
	why, ok = notYet[kind][path]
	return why, ok
}
