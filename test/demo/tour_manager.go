package main

import (
	"cmp"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"
)

// managersManifest says how many managers the swarm should have. Half a minute is the shortest wait for a dead one.
const managersManifest = `# Three managers. One that cannot be reached for half a minute is replaced by a node with the label manager=yes.
apiVersion: swarm-operator.io/v1
kind: Cluster
metadata: {name: default}
spec:
  managers:
    count: 3
    candidates: {labels: {manager: "yes"}}
    replaceAfter: 30s
`

// replaced is how long replacing a manager may take: it is waited for, demoted, and another node is promoted.
const replaced = 30*time.Second + 2*soon

// managerDies kills a machine, as a power cut does.
func (t *show) managerDies() error {
	const victim = "manager-3"
	if err := os.WriteFile(filepath.Join(t.repository.dir, "cluster.yaml"), []byte(managersManifest), 0o644); err != nil {
		return err
	}
	if err := t.mayManage(); err != nil {
		return err
	}
	if err := t.commit("Keep three managers", "count: 3, candidates manager=yes, replaceAfter: 30s"); err != nil {
		return err
	}
	if _, err := t.settled(); err != nil {
		return err
	}
	t.saw("in sync: there are three, and nothing was written")
	p, err := start(filepath.Join(t.bin, "swarm-sandbox"), "ctl", "kill", victim, "--dir", filepath.Dir(strings.TrimPrefix(t.host, "unix://")))
	if err != nil {
		return err
	}
	<-p.done
	if p.err != nil {
		return fmt.Errorf("killing %s: %w: %s", victim, p.err, p.log.last())
	}
	begin := time.Now()
	t.did("swarm-sandbox ctl kill %s", victim)
	r, err := t.reported("a manager that is missed", func(r report) bool { return strings.Contains(r.message("ManagersReady"), "2 of 3") })
	if err != nil {
		return err
	}
	t.saw("condition ManagersReady is false: %s", r.message("ManagersReady"))
	var now []swarm.Node
	err = t.await(t.ctx, "another manager", replaced, func() (string, bool, error) {
		list, err := t.engine.NodeList(t.ctx, client.NodeListOptions{})
		if err != nil {
			return "", false, err
		}
		now = list.Items
		reachable, dead := 0, false
		for _, n := range now {
			if m := n.ManagerStatus; m != nil && m.Reachability == swarm.ReachabilityReachable {
				reachable++
			}
			dead = dead || n.Description.Hostname == victim && (n.ManagerStatus != nil || n.Spec.Role == swarm.NodeRoleManager)
		}
		return fmt.Sprintf("%d managers can be reached", reachable), reachable == 3 && !dead, nil
	})
	if err != nil {
		return err
	}
	t.saw("after %s:\n%s", took(begin), nodeList(now))
	if _, err := t.settled(); err != nil {
		return err
	}
	return t.inSync()
}

// mayManage gives the workers the label of candidates, as somebody does who may write to the swarm. A hostname makes no
// candidate, because a machine chooses its own.
func (t *show) mayManage() error {
	list, err := t.engine.NodeList(t.ctx, client.NodeListOptions{})
	if err != nil {
		return err
	}
	for _, n := range list.Items {
		if n.Spec.Role != swarm.NodeRoleWorker {
			continue
		}
		n.Spec.Labels = maps.Clone(n.Spec.Labels)
		if n.Spec.Labels == nil {
			n.Spec.Labels = map[string]string{}
		}
		n.Spec.Labels["manager"] = "yes"
		if _, err := t.engine.NodeUpdate(t.ctx, n.ID, client.NodeUpdateOptions{Version: n.Version, Spec: n.Spec}); err != nil {
			return fmt.Errorf("labelling %s: %w", n.Description.Hostname, err)
		}
		t.did("docker node update --label-add manager=yes %s", n.Description.Hostname)
	}
	return nil
}

// nodeList returns what docker node ls shows.
func nodeList(nodes []swarm.Node) string {
	slices.SortFunc(nodes, func(a, b swarm.Node) int { return cmp.Compare(a.Description.Hostname, b.Description.Hostname) })
	var lines []string
	for _, n := range nodes {
		line := fmt.Sprintf("%-10s %-6s", n.Description.Hostname, n.Status.State)
		if m := n.ManagerStatus; m != nil && m.Leader {
			line += " Leader"
		} else if m != nil {
			line += " " + string(m.Reachability)
		}
		lines = append(lines, strings.TrimRight(line, " "))
	}
	return strings.Join(lines, "\n")
}
