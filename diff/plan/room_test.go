package plan

import (
	"slices"
	"strings"
	"testing"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/diff"
)

// onNodes keeps volumes as the guard of volumes does while nodes have them.
var onNodes = Guard{"published", Each(func(s Step, _ Facts, _ Policy) []Refusal {
	if s.Key.Kind != v1.KindVolume || s.Op != diff.Remove {
		return nil
	}
	return []Refusal{s.Refusal(Later, "it is still on 1 node")}
})}

// The swarm takes a volume off its nodes when no task uses it. So the removal of what uses it must not wait for a change
// that waits for the volume: each would wait for the other, for ever.
func TestWhatUsesAVolumeThatMakesRoomDoesNotWaitForTheTaker(t *testing.T) {
	const (
		volume = `
+ Volume/data
- Volume/Data used=Service/s
- Service/s uses=Volume/Data
claim Volume/data name:data Volume/Data
owned 40
consent removals Volume/Data
`
		secret = `
+ Secret/pass
- Secret/Pass used=Volume/v
- Volume/v used=Service/s
- Service/s uses=Volume/v
- Service/other
claim Secret/pass name:pass Secret/Pass
owned 40
consent removals Volume/v
`
	)
	for name, test := range map[string]struct {
		text string
		want []string
	}{
		"a volume": {volume, []string{
			"! - Service/s room, consent: Volume/data takes name data, which Volume/Data has",
			"! + Volume/data room, consent:",
			"! - Volume/Data published, later:",
		}},
		"a volume, agreed to by its name": {volume + "consent replace Volume/data", []string{
			"! - Service/s room, consent: Volume/data takes name data, which Volume/Data has",
			"! + Volume/data room, consent: the swarm takes upper and lower case in names for the same, and Volume/Data has this name; that object goes only after Service/s",
			"! - Volume/Data published, later:",
		}},
		"a volume, agreed to": {volume + "consent replace Service/s Volume/Data", []string{
			"1 - Service/s (its manifest was removed; recreates) hazards [replace]",
			"! + Volume/data room, later:",
			"! - Volume/Data published, later:",
		}},
		"a volume, and only what used it was agreed to": {volume + "consent replace Service/s", []string{
			"1 - Service/s (its manifest was removed; recreates)",
			"! + Volume/data room, consent:",
			"! - Volume/Data published, later:",
		}},
		"a volume whose service is on hold": {volume + "consent replace\nhold Service/s later", []string{
			"! - Service/s hold, never:",
			"! + Volume/data room, never:",
			"! - Volume/Data published, later:",
		}},
		"a volume that something else uses": {strings.Replace(volume, "used=Service/s", "used=Service/s,Service/stays", 1) + "consent replace", []string{
			"1 - Service/s (its manifest was removed; recreates)",
			"! + Volume/data room, never: the swarm takes upper and lower case in names for the same, and Volume/Data has this name, and that object stays",
			"! - Volume/Data published, later:",
		}},
		"a secret of a volume": {secret, []string{
			"1 - Service/other (its manifest was removed; recreates)",
			"! + Secret/pass room, consent:",
			"! - Service/s room, consent: Secret/pass takes name pass, which Secret/Pass has",
			"! - Volume/v published, later:",
		}},
		"a secret of a volume, agreed to": {secret + "consent replace", []string{
			"1 - Service/s (its manifest was removed; recreates) hazards [replace]",
			"! - Service/other removals-last, later: removals come last; Secret/pass still waits",
			"! + Secret/pass room, later:",
			"! - Volume/v published, later:",
		}},
		"objects that use each other, one of which stays": {"+ Secret/pass\n- Secret/Pass used=Secret/v\n- Secret/v used=Secret/w,Service/stays\n- Secret/w used=Secret/v\nclaim Secret/pass name:pass Secret/Pass\nowned 40\nconsent replace", []string{
			"! + Secret/pass room, never: the swarm takes upper and lower case in names for the same, and Secret/Pass has this name, and that object stays",
		}},
		"volumes that use each other": {"+ Secret/pass\n- Secret/Pass used=Volume/v\n- Volume/v used=Volume/w\n- Volume/w used=Volume/v\nclaim Secret/pass name:pass Secret/Pass\nowned 40\nconsent removals Volume/v Volume/w\nconsent replace", []string{
			"! + Secret/pass room, later:",
			"! - Volume/v published, later:",
			"! - Volume/w published, later:",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			plan := render(read(t, test.text).build(onNodes))
			var lines []string
			for line := range strings.Lines(plan) {
				if line[0] == '!' || line[0] == '1' || line[0] == '2' {
					lines = append(lines, line)
				}
			}
			has := func(want string) bool {
				return slices.ContainsFunc(lines, func(line string) bool { return strings.HasPrefix(line, want) })
			}
			for _, want := range test.want {
				if !has(want) {
					t.Errorf("no line begins with %q", want)
				}
			}
			if len(lines) != len(test.want) || t.Failed() {
				t.Errorf("the plan is\n%s", plan)
			}
		})
	}
}
