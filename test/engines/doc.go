// Package engines makes a Docker Swarm of several real dockerds on one Linux machine. It serves tests of what package
// sandbox cannot show: containers that crash, health checks, mounted secrets, ports that answer, pulls with
// credentials, partitions.
//
// # How a machine is made
//
// Every node is a box: a network, mount, process, host-name and IPC namespace of its own, held open by the first
// process in it. One more box is the switch. It has a bridge and the registries, and a veth pair joins each node to it.
// Nothing of this has a name in the machine's own namespaces. When the first process of a box ends, the kernel ends all
// other processes in it and removes its mounts, links and addresses. That process ends with the test process, whatever
// ends the latter. Only a directory below os.TempDir and empty cgroups can then stay behind. [Sweep] removes those of
// dead runs, and [Start] calls it. Command leftovers lists them.
//
// # What it needs
//
// It needs root, and the programs dockerd, containerd, runc, iptables, ip, nsenter, docker-registry and a static
// busybox. Debian has them in docker.io, iptables, iproute2, busybox-static and docker-registry. The package looks for
// them on PATH and, before that, below the directory in ENGINES_ROOT. That may be a directory into which packages were
// unpacked with dpkg -x, if usr/sbin/iptables is then linked to xtables-nft-multi, as the installation would have done.
// It may also hold a dockerd of another version with the runc that it needs: usr/bin/dockerd and usr/bin/runc.
// [Available] says what is missing.
//
// # Images
//
// No image comes from outside. [Swarm.Load] makes images of busybox and pushes them to a registry. The engines use that
// registry as the mirror of Docker Hub, so they resolve "app:1" to a digest and pull it as in production. The name of
// an image says what its containers do, in the words of package sandbox.
//
// # What it never does
//
// It changes nothing in the machine's own network and mounts, and no file outside of its directory. It ends no process
// that it did not start. It knows nothing of swarm-operator.
package engines
