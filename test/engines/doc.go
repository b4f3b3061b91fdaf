// Package engines makes a Docker Swarm of several real dockerds on one Linux machine, for what package sandbox cannot
// show: containers that crash, health checks, secrets as mounted, ports that answer, pulls with credentials, partitions.
//
// # How a machine is made
//
// Every node is a box: a network, mount, process, host-name and IPC namespace of its own, held by the first process in
// it. One more box is the switch, with a bridge and the registries; a veth pair joins each node to it. Nothing of this has
// a name in the machine's own namespaces. When the first process of a box ends, the kernel ends all others in it and
// takes mounts, links and addresses away, and it ends with the test process, however that dies. What can stay behind then
// are a directory below os.TempDir and empty cgroups: [Sweep] removes those of dead runs, and [Start] calls it. Command
// leftovers lists them.
//
// # What it needs
//
// Root, and dockerd, containerd, runc, iptables, ip, nsenter, docker-registry and a static busybox: Debian's docker.io,
// iptables, iproute2, busybox-static and docker-registry. They are looked for on PATH and, before that, below the
// directory in ENGINES_ROOT, where packages were unpacked with dpkg -x (and usr/sbin/iptables was linked to
// xtables-nft-multi, which their installation would have done), or where a dockerd of another version is, with the runc that
// it needs: usr/bin/dockerd, usr/bin/runc. [Available] tells what is missing.
//
// # Images
//
// No image comes from outside. [Swarm.Load] pushes images made of busybox to a registry which the engines use as the
// mirror of Docker Hub, so that "app:1" is resolved to a digest and pulled as in production. What an image does is told by
// its name, in the words of package sandbox.
//
// # What it never does
//
// It changes nothing in the machine's own network, mounts and files outside of its directory, and ends no process that it
// did not start. It knows nothing of swarm-operator.
package engines
