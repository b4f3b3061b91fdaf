package sandbox

// These are dockerd's texts, word for word, because people and programs match them.
const (
	errNoSwarm      unavailable = "This node is not part of a swarm"
	errSwarmExists  unavailable = `This node is already part of a swarm. Use "docker swarm leave" to leave this swarm and join another one.`
	errJoinTimeout  unavailable = `Timeout was reached before node joined. The attempt to join the swarm will continue in the background. Use the "docker info" command to see the current swarm status of your node.`
	errSwarmLocked  unavailable = `Swarm is encrypted and needs to be unlocked before it can be used. Please use "docker swarm unlock" to unlock it.`
	errLeaveLocked  unavailable = "Swarm is encrypted and locked. Please unlock it first or use `--force` to ignore this message."
	errInactive     unavailable = `This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" to connect this node to swarm and try again.`
	errNotReady     unavailable = "This node is not a swarm manager. Manager is being prepared or has trouble connecting to the cluster."
	errWorker       unavailable = "This node is not a swarm manager. Worker nodes can't be used to view or modify cluster state. Please run this command on a manager node or promote the current node to a manager."
	errOverlayLocal forbidden   = `This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" to connect this node to swarm and try again.`
	errInvalidKey   wrongKey    = "swarm could not be unlocked: invalid key provided"
	errNotLocked    conflict    = "swarm is not locked"

	errBadListen    invalid = "listen address must be an IP address or network interface (with optional port number)"
	errBadAdvertise invalid = "advertise address must be a non-zero IP address or network interface (with optional port number)"
	errBadDataPath  invalid = "data path address must be a non-zero IP address or network interface (without a port number)"
)

// Each type stands for one HTTP status, through the method that containerd's errdefs look for.
type (
	unavailable string
	forbidden   string
	invalid     string
	wrongKey    string
	conflict    string
	notFound    string

	unimplemented string
)

func (e unavailable) Error() string { return string(e) }
func (e forbidden) Error() string   { return string(e) }
func (e invalid) Error() string     { return string(e) }
func (e wrongKey) Error() string    { return string(e) }
func (e conflict) Error() string    { return string(e) }
func (e notFound) Error() string    { return string(e) }

func (e unimplemented) Error() string { return string(e) }

func (unavailable) Unavailable()  {}
func (forbidden) Forbidden()      {}
func (invalid) InvalidParameter() {}
func (wrongKey) Unauthorized()    {}
func (conflict) Conflict()        {}
func (notFound) NotFound()        {}

func (unimplemented) NotImplemented() {}
