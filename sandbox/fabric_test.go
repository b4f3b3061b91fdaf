package sandbox

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"
)

func TestAPartitionCutsAMachineOffFromAllOthers(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"manager-1", "manager-3", "worker-1"} { // the first one leads
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sb := start(t, Options{Managers: 3, Workers: 1})
			c := connect(t, sb, "manager-2")
			for range 2 { // the second call changes nothing
				if err := sb.Partition(name); err != nil {
					t.Fatal(err)
				}
			}
			if got := cutOff(sb); !slices.Equal(got, []string{name}) {
				t.Errorf("cut off are %q", got)
			}
			waitNode(t, c, name, swarm.NodeStateDown)
			if info, err := connect(t, sb, name).Info(t.Context(), client.InfoOptions{}); err != nil || info.Info.Name != name {
				t.Errorf("its engine should answer, and says %q, %v", info.Info.Name, err)
			}
			manager := name != "worker-1"
			if manager {
				eventually(t, func() error { return led(t, c, name) })
				eventually(t, func() error {
					if alone(t, sb, name) == nil {
						return fmt.Errorf("%s lists the nodes without a majority", name)
					}
					return nil
				})
			}
			if err := sb.Heal(name); err != nil {
				t.Fatal(err)
			}
			for _, n := range sb.Nodes() {
				waitNode(t, c, n, swarm.NodeStateReady)
			}
			if manager {
				eventually(t, func() error { return alone(t, sb, name) })
			}
		})
	}
}

func TestWhatIsSaidWhileCutOffArrivesLater(t *testing.T) {
	t.Parallel()
	sb := start(t, Options{Managers: 1, Workers: 1, Blank: 1})
	c := connect(t, sb, "manager-1")
	if err := sb.Partition("manager-1"); err != nil {
		t.Fatal(err)
	}
	// A machine that is in no swarm yet does not get through either.
	r, err := c.SwarmInspect(t.Context(), client.SwarmInspectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	through, err := sb.find("manager-1")
	if err != nil {
		t.Fatal(err)
	}
	joined := make(chan error, 1)
	go func() {
		_, err := connect(t, sb, "blank-1").SwarmJoin(t.Context(), client.SwarmJoinOptions{
			ListenAddr: "0.0.0.0:2377", RemoteAddrs: []string{through.addr.String()}, JoinToken: r.Swarm.JoinTokens.Worker,
		})
		joined <- err
	}()
	waitNode(t, c, "worker-1", swarm.NodeStateDown)
	waitNode(t, c, "manager-1", swarm.NodeStateReady) // it hears itself
	select {
	case err := <-joined:
		if err == nil {
			t.Error("a machine joined through one that is cut off")
		}
	default:
	}
	if err := sb.Heal("manager-1"); err != nil {
		t.Fatal(err)
	}
	waitNode(t, c, "worker-1", swarm.NodeStateReady)
	waitNode(t, c, "blank-1", swarm.NodeStateReady)
}

func TestMachinesEndWhileTheyAreCutOff(t *testing.T) {
	t.Parallel()
	sb := start(t, Options{Managers: 3, Workers: 1})
	c := connect(t, sb, "manager-1")
	// In SwarmKit, a manager that dies before its own disk knows the others finds nobody afterwards.
	eventually(t, func() error {
		list, err := nodes(t, connect(t, sb, "manager-3"))
		if known := slices.DeleteFunc(list, func(n swarm.Node) bool { return n.ManagerStatus == nil }); err == nil && len(known) != 3 {
			err = fmt.Errorf("it knows %d managers", len(known))
		}
		return err
	})
	for _, name := range []string{"manager-3", "worker-1"} {
		if err := errors.Join(sb.Partition(name), sb.Kill(name)); err != nil {
			t.Fatal(err)
		}
		waitNode(t, c, name, swarm.NodeStateDown)
	}
	if err := errors.Join(sb.Heal("manager-3"), sb.StartNode(t.Context(), "manager-3"), sb.RemoveNode("worker-1")); err != nil {
		t.Fatal(err)
	}
	waitNode(t, c, "manager-3", swarm.NodeStateReady)
	if err := sb.Partition("manager-2"); err != nil { // so that it is closed while a machine is cut off
		t.Fatal(err)
	}
	if got := cutOff(sb); !slices.Equal(got, []string{"manager-2"}) {
		t.Errorf("cut off are %q", got)
	}
	if err := sb.Close(); err != nil {
		t.Fatal(err)
	}
	_, err := sb.fabric.link("", netip.MustParseAddrPort("127.0.0.1:2377"))
	wantError(t, err, "linking to 127.0.0.1:2377: the sandbox is closed")
	fabrics.Range(func(addr, of any) bool {
		if of == sb.fabric {
			t.Errorf("%s is left", addr)
		}
		return true
	})
}

func TestTooManyMachinesCannotBeCutOff(t *testing.T) {
	t.Parallel()
	sb := start(t, Options{Blank: smallSwarm + 1})
	wantError(t, sb.Partition("blank-1"), "cutting blank-1 off: the sandbox began with more than 200 machines")
	wantError(t, sb.Heal("nobody"), `no machine is called "nobody"`)
}

// cutOff returns the names of the machines that are cut off.
func cutOff(sb *Sandbox) []string {
	var out []string
	for _, m := range sb.State().Machines {
		if m.Partitioned {
			out = append(out, m.Name)
		}
	}
	return out
}

// alone asks a manager for something that it can answer only with a majority.
func alone(t *testing.T, sb *Sandbox, name string) error {
	_, err := nodes(t, connect(t, sb, name))
	return err
}

// led returns an error unless a manager other than this one leads.
func led(t *testing.T, c *client.Client, than string) error {
	list, err := nodes(t, c)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(list, func(n swarm.Node) bool {
		return n.ManagerStatus != nil && n.ManagerStatus.Leader && n.Description.Hostname != than
	}) {
		return errors.New("nobody else leads")
	}
	return nil
}
