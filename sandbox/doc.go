// Package sandbox is a Docker Swarm in one process: real SwarmKit behind the
// real Engine HTTP API, with no root, no dockerd and no containers.
//
// Every simulated machine has its own TLS identity, its own raft member or
// agent, its own loopback address and its own socket that an unmodified docker
// CLI or client talks to. Orchestration, scheduling, rolling updates, raft and
// the CA are SwarmKit's; what is pretended is the container runtime below the
// agent: a task "runs" until it is stopped, unless its image says otherwise
// (see [Images]).
//
// # In a test
//
//	sb, err := sandbox.Start(ctx, sandbox.Options{Managers: 1, Workers: 3})
//	defer sb.Close()
//	c, err := client.New(client.WithHost(sb.Host("manager-1")))
//
// # Control API
//
// DIR/control.sock speaks HTTP and JSON:
//
//	GET    /state                 what is there: machines, addresses, roles, faults
//	POST   /nodes                 {"role":"worker","labels":{"k":"v"}} adds a machine (manager, worker or blank)
//	POST   /nodes/NAME/kill       stops it at once, as a power cut does; its socket is gone
//	POST   /nodes/NAME/start      starts a killed one again
//	POST   /nodes/NAME/restart    kill, then start; answers when the engine does
//	POST   /nodes/NAME/partition  cuts it off from all others; its Engine API still answers
//	POST   /nodes/NAME/heal       ends that
//	DELETE /nodes/NAME            kills it and throws its disk away; the swarm still lists it, as down
//	GET    /faults                the faults in force
//	POST   /faults                {"node":"manager-1","method":"POST","path":"/services/.*","latency":"200ms",
//	                               "status":503,"message":"...","drop":true,"count":3,"afterCommit":true}
//	DELETE /faults                removes all of them; DELETE /faults/ID one
//	GET    /requests              the Engine API calls seen so far; DELETE /requests forgets them
//
// See [Fault] for what the fields of a fault mean.
//
// # What differs from dockerd
//
// Timers are short: a manager is voted for after 3 s without a leader, and in
// the swarm that Start makes agents beat every two seconds, so that a node that
// is gone shows as down after about six. A swarm that a client makes on a blank
// machine has dockerd's heartbeat, and so has one of more than 200 machines.
//
// A task needs no time to stop, and a health check passes at once unless the
// image is unhealthy. An image called missing-something is in no registry and
// runs all the same. Ports, mounts, limits and secrets are kept in the books and
// never applied, so that what dockerd refuses only when a container is made is
// not refused. A network that is removed is gone: no engine lists a copy of its
// own until its containers have ended. There are no container events, and
// plugins and cluster volumes are not there. Tasks outlive a stop of the whole
// sandbox; a machine that is killed loses its own. Killed managers close their
// connections as they go.
//
// # Race detector
//
// SwarmKit has data races of its own, which go test -race finds now and then in
// whatever links this package. These flags leave SwarmKit and its raft out and
// keep everything else in:
//
//	go test -race -gcflags='github.com/moby/swarmkit/v2/...=-race=false' -gcflags='go.etcd.io/...=-race=false'
//
// # What it never does
//
// It runs no process and opens no published port, pulls nothing, moves no
// packet and mounts no file. It imports nothing of swarm-operator: it is a
// swarm and knows nothing of who talks to it. Logging is the one thing that it
// changes for the whole process: logrus, which SwarmKit logs through, falls
// silent. See [LogEverything].
package sandbox
