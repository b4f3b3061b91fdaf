// Package sandbox is a Docker Swarm in one process: real SwarmKit behind the
// real Engine HTTP API, with no root, no dockerd and no containers.
//
// Every simulated machine has its own TLS identity, its own raft member or agent, its own loopback address and its own
// socket. An unmodified docker CLI or client can talk to that socket. Orchestration, scheduling, rolling updates, raft
// and the CA are SwarmKit's. Only the container runtime below the agent is pretended: a task "runs" until it is
// stopped, unless its image says otherwise (see [Images]).
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
//	GET    /state                 the state: machines, addresses, roles, faults
//	POST   /nodes                 {"role":"worker","labels":{"k":"v"}} adds a machine (manager, worker or blank)
//	POST   /nodes/NAME/kill       stops it at once, as a power cut does; its socket goes
//	POST   /nodes/NAME/start      starts it again after a kill
//	POST   /nodes/NAME/restart    kills and starts it; answers when the engine does
//	POST   /nodes/NAME/partition  cuts it off from all others; its Engine API still answers
//	POST   /nodes/NAME/heal       ends that
//	DELETE /nodes/NAME            kills it and deletes its disk; the swarm still lists it as down
//	GET    /faults                the faults in force
//	POST   /faults                {"node":"manager-1","method":"POST","path":"/services/.*","latency":"200ms",
//	                               "status":503,"message":"...","drop":true,"count":3,"afterCommit":true}
//	DELETE /faults                removes all faults; DELETE /faults/ID removes one
//	GET    /requests              the Engine API calls so far; DELETE /requests forgets them
//
// See [Fault] for what the fields of a fault mean.
//
// # What differs from dockerd
//
// Timers are short. The managers elect a leader after 3 s without one. In the swarm that Start makes, agents beat every
// two seconds, so a node that is gone shows as down after about six. A swarm that a client makes on a blank machine has
// dockerd's heartbeat, and so has a swarm of more than 200 machines.
//
// A task needs no time to stop, and a health check passes at once unless the image is unhealthy. An image called
// missing-something is in no registry, but runs. Ports, mounts, limits and secrets are recorded and never applied, so
// the sandbox does not refuse what dockerd refuses only when it makes a container. A network that is removed is gone at
// once; no engine keeps a copy until its containers have ended. There are no container events and no
// plugins, except one for cluster volumes, if [Options] asks for it. These volumes hold nothing. Tasks outlive a stop of the whole sandbox, but a machine that is killed loses its tasks. Managers
// that are killed close their connections.
//
// # Race detector
//
// SwarmKit has data races of its own. go test -race finds them now and then in every package that links this one. With
// these flags it checks everything except SwarmKit and its raft:
//
//	go test -race -gcflags='github.com/moby/swarmkit/v2/...=-race=false' -gcflags='go.etcd.io/...=-race=false'
//
// # What it never does
//
// It runs no process, opens no published port, pulls nothing, moves no packet and mounts no file. It imports nothing of
// swarm-operator: it is a swarm, and knows nothing about its clients. It changes one thing for the whole process:
// logrus, which SwarmKit logs through, becomes silent. See [LogEverything].
package sandbox
