package config

import v1 "github.com/swarm-operator/swarm-operator/api/v1"

// Guardrails is the file that --guardrails names: what the manifests of a source may state. What a part of the file does
// not mention is allowed. A list that is stated and empty allows nothing. Patterns: * is any text, ? is any character. What
// a rule looks at may not be in policy.ignoreDifferences, because the rule would not see what the object has there.
type Guardrails struct {
	// Mode is deny to refuse what breaks a rule, or warn to only say so. Default deny.
	Mode string `json:"mode,omitempty"`
	// Kinds are the kinds that manifests may state, such as Service.
	Kinds []string `json:"kinds,omitempty"`
	// Names are patterns of names that objects may have.
	Names []string `json:"names,omitempty"`
	// Fields are fields that manifests may not state, as KIND PATH, such as Service spec.user. The fields below them may
	// not be stated either. The elements of a list are spec.mounts[], and a key of a map is spec.sysctls.NAME or
	// spec.sysctls["NAME"]. A policy that .swarm-operator.yaml states for all objects counts as stated.
	Fields []string `json:"fields,omitempty"`
	// Labels are rules about labels.
	Labels *LabelRules `json:"labels,omitempty"`
	// Images are rules about the images of services.
	Images *ImageRules `json:"images,omitempty"`
	// Mounts are rules about what services mount.
	Mounts *MountRules `json:"mounts,omitempty"`
	// Containers are rules about the containers of services.
	Containers *ContainerRules `json:"containers,omitempty"`
	// Ports are rules about ports that services publish.
	Ports *PortRules `json:"ports,omitempty"`
	// Networks are rules about networks, and about which ones services join.
	Networks *NetworkRules `json:"networks,omitempty"`
	// Placement are rules about where tasks run.
	Placement *PlacementRules `json:"placement,omitempty"`
	// Resources are rules about what tasks may use. Each is more than 0.
	Resources *ResourceRules `json:"resources,omitempty"`
	// External are the objects of others that the source may use.
	External *ExternalRules `json:"external,omitempty"`
	// Nodes are rules about nodes, and about which ones are managers.
	Nodes *NodeRules `json:"nodes,omitempty"`
	// Outside are the entries of the operator's configuration, the plugins of the managers, and the accounts of the nodes,
	// that manifests may name.
	Outside *OutsideRules `json:"outside,omitempty"`
	// Policies are rules about policy: of objects.
	Policies *PolicyRules `json:"policies,omitempty"`
	// Exceptions are objects for which some rules do not count.
	Exceptions []Exception `json:"exceptions,omitempty"`
}

// LabelRules are rules about labels.
type LabelRules struct {
	// Prefixes are what the names of labels must begin with, in metadata.labels and spec.containerLabels.
	Prefixes []string `json:"prefixes,omitempty"`
	// Required are labels that every service must have in metadata.labels.
	Required []string `json:"required,omitempty"`
}

// ImageRules are rules about the images of services.
type ImageRules struct {
	// From are beginnings of full references that images must have, such as registry.example.com/shop or
	// docker.io/library. They end at a / of the reference.
	From []string `json:"from,omitempty"`
	// Digest is true if images must be stated by their digest.
	Digest bool `json:"digest,omitempty"`
	// NoTags are tags that images must not have. An image without a tag and without a digest has the tag latest.
	NoTags []string `json:"noTags,omitempty"`
}

// MountRules are rules about what services mount.
type MountRules struct {
	// Types are the types of mounts that are allowed: volume, bind, tmpfs, npipe, cluster. Without bind, a volume of the
	// driver local may not mount anything of the node by its options either.
	Types []string `json:"types,omitempty"`
	// Binds are directories of nodes that may be mounted, such as /srv/shop, or /srv/shop/* for the directories in it, but not
	// what is deeper: a service that can write to a directory could put a link to anywhere there, and mount that. So no entry
	// may be below another. With readOnlyBinds what is below an entry may be mounted too. The same holds for what a volume of
	// the driver local mounts by its options, except from NFS or CIFS and for a tmpfs. / allows everything. Unless
	// / is stated, a named pipe needs npipe in types.
	Binds []string `json:"binds,omitempty"`
	// ReadOnlyBinds is true if binds must be read-only, and have the propagation rprivate, which is the default. A volume
	// of the driver local that is a bind must be read-only by its own options (o: bind,ro), because other services may
	// mount it too.
	ReadOnlyBinds bool `json:"readOnlyBinds,omitempty"`
	// NoDockerSocket is true if nobody may mount the socket of an engine or of containerd, a directory that it is in, a
	// named pipe, or what is below /proc, where links lead to any directory. It knows where Docker, containerd, k3s, Podman,
	// CRI-O and BuildKit listen, for root and for users, and the names of their sockets anywhere. It looks at paths, and not
	// at links that a service makes in a directory that it can write to: state binds as well. It does not look at homes of
	// users, nor at .docker in them, although Docker Desktop keeps a socket below that; it looks at .docker/run and
	// .docker/desktop.
	NoDockerSocket bool `json:"noDockerSocket,omitempty"`
	// Volumes are patterns of names of volumes. If a name has a template, a pattern must match whatever it becomes.
	Volumes []string `json:"volumes,omitempty"`
	// Drivers are the volume drivers that mounts and Volumes may state. If it is not stated, and binds, readOnlyBinds,
	// noDockerSocket or types without bind is, only local is allowed, because a plugin may mount any directory of a node.
	Drivers []string `json:"drivers,omitempty"`
}

// ContainerRules are rules about the containers of services.
type ContainerRules struct {
	// Capabilities are the capabilities that capAdd may have, without CAP_.
	Capabilities []string `json:"capabilities,omitempty"`
	// Drop are capabilities that capDrop must have, such as ALL, and that capAdd may not give back: it may state neither
	// them nor ALL. If ALL must be dropped, capAdd may only state what capabilities lists.
	Drop []string `json:"drop,omitempty"`
	// NotRoot is true if services must state a user as a number that is not 0. A name is refused, because the image
	// decides who it is. A program in the image may still make its user root: see noNewPrivileges.
	NotRoot bool `json:"notRoot,omitempty"`
	// NoNewPrivileges is true if services must state privileges.noNewPrivileges: true, so that no program in the image
	// makes its user root.
	NoNewPrivileges bool `json:"noNewPrivileges,omitempty"`
	// ReadOnly is true if services must state readOnly: true.
	ReadOnly bool `json:"readOnly,omitempty"`
	// Healthcheck is true if services that are not jobs must state a health check with a command in test.
	Healthcheck bool `json:"healthcheck,omitempty"`
	// LogDrivers are the log drivers that services may state.
	LogDrivers []string `json:"logDrivers,omitempty"`
	// Confined is true if services may not switch off AppArmor, SELinux or seccomp, nor state a seccomp profile or an
	// SELinux context.
	Confined bool `json:"confined,omitempty"`
}

// PortRules are rules about ports that services publish.
type PortRules struct {
	// Published are ports and ranges that services may publish, such as 443 or 8000-8999. A port that the swarm chooses is
	// always allowed.
	Published []string `json:"published,omitempty"`
	// NoHostMode is true if no port may be published on the node itself (mode: host).
	NoHostMode bool `json:"noHostMode,omitempty"`
}

// NetworkRules are rules about networks.
type NetworkRules struct {
	// Join are patterns of names of networks that services may join.
	Join []string `json:"join,omitempty"`
	// NoHost is true if no service may join the network host of its node.
	NoHost bool `json:"noHost,omitempty"`
	// Drivers are the drivers that networks may have.
	Drivers []string `json:"drivers,omitempty"`
	// Subnets are ranges that the subnets of networks must be in.
	Subnets []string `json:"subnets,omitempty"`
	// NotAttachable is true if plain containers may join no network of the source.
	NotAttachable bool `json:"notAttachable,omitempty"`
	// Encrypted is true if overlay networks must state the driver option encrypted.
	Encrypted bool `json:"encrypted,omitempty"`
}

// PlacementRules are rules about where tasks run.
type PlacementRules struct {
	// Require are constraints that every service must state. The operator gives node labels that they name only to nodes
	// that are known by more than what they say of themselves: see promote-unproven.
	Require []string `json:"require,omitempty"`
	// Forbid are constraints that no service may state, however they are written: node.role != worker is node.role ==
	// manager.
	Forbid []string `json:"forbid,omitempty"`
	// NotGlobal is true if no service may run on every node.
	NotGlobal bool `json:"notGlobal,omitempty"`
}

// ResourceRules are rules about what tasks may use. Each is 1 or more, because 0 is no limit to the swarm.
type ResourceRules struct {
	// Memory is the most that limits.memory may be. A service must then state it. memorySwap may be no more than this
	// either.
	Memory *v1.Bytes `json:"memory,omitempty"`
	// CPUs is the most that limits.cpus may be. A service must then state it.
	CPUs *v1.CPUs `json:"cpus,omitempty"`
	// Pids is the most that limits.pids may be. A service must then state it, and -1 is no limit.
	Pids *int64 `json:"pids,omitempty"`
	// Replicas is the most that replicas may be.
	Replicas *uint64 `json:"replicas,omitempty"`
}

// ExternalRules are patterns of names of objects of others: the source uses them, and does not state them, or states them
// with external: true.
type ExternalRules struct {
	// Networks are names of networks. If it is stated, the source takes over no other network that it did not make.
	Networks []string `json:"networks,omitempty"`
	// Configs are names of configs, of which one may be that of spec.credentialSpec.
	Configs []string `json:"configs,omitempty"`
	// Secrets are names of secrets. If it is stated, the source takes over no other secret that it did not make.
	Secrets []string `json:"secrets,omitempty"`
	// Volumes are names of cluster volumes, and group:GROUP for any volume of a group. A mount whose source has a template
	// needs a pattern that matches whatever the template becomes. If it is stated, the source takes over no other cluster
	// volume.
	Volumes []string `json:"volumes,omitempty"`
}

// NodeRules are rules about nodes.
type NodeRules struct {
	// Names are patterns of names of Nodes that the source may state.
	Names []string `json:"names,omitempty"`
	// NoSets is true if the source may state no NodeSet, which could match any node.
	NoSets bool `json:"noSets,omitempty"`
	// Roles are the roles that may be stated: manager, worker. spec.managers of the Cluster gives nodes both, so it may be
	// stated only if both are listed.
	Roles []string `json:"roles,omitempty"`
	// NoRemoval is true if no node may be removed: no presence: absent and no removeDownAfter.
	NoRemoval bool `json:"noRemoval,omitempty"`
	// Engines are patterns of spec.engine.host, such as ssh://ops@10.0.* or tcp://*.example.com:2376. The user, the host, the
	// port and the path are each matched whole, and one that the pattern leaves out has to be left out. A host of digits and
	// points, such as 10.0.*, matches IPv4 addresses only, and one in brackets, such as [fd00::*], IPv6 addresses only.
	Engines []string `json:"engines,omitempty"`
	// Managers is the most that spec.managers.count of the Cluster may be. It is more than 0.
	Managers *int `json:"managers,omitempty"`
}

// OutsideRules are names of what is outside the swarm: entries of the operator's configuration, plugins of the managers,
// and accounts that nodes have.
type OutsideRules struct {
	// Sinks are sinks that manifests may name.
	Sinks []string `json:"sinks,omitempty"`
	// Authorities are roots of the CA that manifests may name, and patterns of the URLs of external CAs that they may state,
	// such as https://ca.example.com/*. Scheme, host, port and path are each matched as those of nodes.engines are, and a URL
	// without a path is one with the path /. * alone allows all.
	Authorities []string `json:"authorities,omitempty"`
	// TLS are TLS files that manifests may name.
	TLS []string `json:"tls,omitempty"`
	// SecretDrivers are patterns of plugins that may supply the content of secrets. If it is not stated and
	// external.secrets is, none is allowed, because a plugin may supply secrets of others.
	SecretDrivers []string `json:"secretDrivers,omitempty"`
	// CredentialSpecs are patterns of what spec.credentialSpec of services may name of the node: file://NAME for a file in
	// the directory of its engine, registry://NAME for a value of its registry. If it is not stated, and external.configs,
	// mounts.binds without / or mounts.types without bind is, none is allowed, because that is an account of others on the
	// node. If it is stated, no part of the name of a file may be empty, . or .. (/ and \ separate parts).
	CredentialSpecs []string `json:"credentialSpecs,omitempty"`
}

// PolicyRules are rules about policy: of objects.
type PolicyRules struct {
	// NoTakeover is true if no object may be taken over while it differs (adopt: takeover).
	NoTakeover bool `json:"noTakeover,omitempty"`
	// NoPrune is true if nothing that others made may be removed with its manifest (prune: true). What .swarm-operator.yaml
	// says of prune then does not count for objects whose manifest is gone.
	NoPrune bool `json:"noPrune,omitempty"`
}

// Exception is an object for which some rules do not count.
type Exception struct {
	// Object is KIND/NAME, of one object. A pattern is refused: state one exception for each object.
	Object string `json:"object"`
	// Rules are names of rules, such as images.digest. The name of a part, such as images, stands for all of its rules.
	Rules []string `json:"rules"`
	// Until is the last day, such as 2027-03-31, in UTC. It is required, so that no exception is forgotten.
	Until string `json:"until"`
	// Reason says why.
	Reason string `json:"reason"`
}
