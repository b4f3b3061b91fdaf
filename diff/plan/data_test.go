package plan

import (
	"slices"
	"strings"
	"testing"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/diff"
)

// gone returns the removal of an object of the source.
func gone(key v1.Key, meta diff.Meta) diff.Change {
	meta.Mine, meta.ID = true, key.Name
	return diff.Change{Op: diff.Remove, Key: key, Instance: key.Name, Have: &diff.State{Key: key, Instance: key.Name, Meta: meta}}
}

// The plugin of a volume needs the secrets of the volume to delete it, whether or not newer versions have replaced them.
func TestAVolumeGoesBeforeItsSecrets(t *testing.T) {
	secret, volume, network := v1.Key{Kind: v1.KindSecret, Name: "user"}, v1.Key{Kind: v1.KindVolume, Name: "data"}, v1.Key{Kind: v1.KindNetwork, Name: "zone"}
	for _, old := range []bool{false, true} {
		changes := []diff.Change{gone(secret, diff.Meta{UsedBy: []v1.Key{volume}, OldVersion: old}), gone(volume, diff.Meta{}), gone(network, diff.Meta{})}
		p := Build(changes, Facts{Shares: true, Owned: 100, Keep: map[v1.Key]string{volume: ""}}, Policy{Source: "src", Budgets: DefaultBudgets()})
		after := map[v1.Key][]int{}
		ids := map[v1.Key]int{}
		for _, s := range p.Steps {
			after[s.Key], ids[s.Key] = s.After, s.ID
		}
		if len(ids) != 3 || ids[secret] != 3 || !slices.Equal(after[secret], []int{ids[volume]}) || len(after[volume])+len(after[network]) > 0 {
			t.Errorf("old version %t: the steps are %v, each after %v, and refused is %v", old, ids, after, p.Refused)
		}
	}
}

// Data goes only by the word of its own manifest, or of a person who names it.
func TestDataIsNotPruned(t *testing.T) {
	volume := v1.Key{Kind: v1.KindVolume, Name: "data"}
	for _, test := range []struct {
		name   string
		meta   diff.Meta
		facts  Facts
		policy Policy
		why    string // "" if it goes
	}{
		{"nobody said anything", diff.Meta{}, Facts{}, Policy{}, "its data would go with it"},
		{"adopted, and the source prunes what it adopted", diff.Meta{Title: diff.TitleAdopted}, Facts{}, Policy{PruneAdopted: true}, "its data would go with it"},
		{"agreed to all removals", diff.Meta{}, Facts{}, Policy{Consents: Consents{{Hazard: Removals}}}, "its data would go with it"},
		{"agreed to the removal of another one", diff.Meta{}, Facts{}, Policy{Consents: Consents{{Hazard: Removals, Objects: []v1.Key{{Kind: v1.KindVolume, Name: "other"}}}}}, "its data would go with it"},
		{"agreed by its name", diff.Meta{}, Facts{}, Policy{Consents: Consents{{Hazard: Removals, Objects: []v1.Key{volume}}}}, ""},
		{"its manifest said prune", diff.Meta{}, Facts{Keep: map[v1.Key]string{volume: ""}}, Policy{}, ""},
		{"its manifest said protect", diff.Meta{}, Facts{Keep: map[v1.Key]string{volume: "policy.protect: true"}}, Policy{Consents: Consents{{Hazard: Removals, Objects: []v1.Key{volume}}}}, "its last manifest said policy.protect: true"},
		{"external", diff.Meta{}, Facts{Missing: map[v1.Key]bool{volume: false}}, Policy{}, "its manifest says external: true"},
		{"the memory is lost", diff.Meta{}, Facts{StateLost: true}, Policy{}, "the operator has lost its memory"},
	} {
		test.facts.Shares, test.facts.Owned = true, 100
		test.policy.Source, test.policy.Budgets = "src", DefaultBudgets()
		p := Build([]diff.Change{gone(volume, test.meta)}, test.facts, test.policy)
		switch {
		case test.why == "" && (len(p.Steps) != 1 || len(p.Refused) > 0):
			t.Errorf("%s: it stays: %v", test.name, p.Refused)
		case test.why != "" && (len(p.Steps) > 0 || len(p.Refused) != 1 || !strings.HasPrefix(p.Refused[0].Why, test.why)):
			t.Errorf("%s: %v, refused %v", test.name, p.Steps, p.Refused)
		}
	}
}

// What cannot be seen is held, and so are removals. Git cannot mend that.
func TestWhatCannotBeSeenIsHeld(t *testing.T) {
	volume, network := v1.Key{Kind: v1.KindVolume, Name: "data"}, v1.Key{Kind: v1.KindNetwork, Name: "zone"}
	for outside, want := range map[bool][2]string{
		true:  {"Network/zone removals come last; Volume/data is held, and may replace what goes, or still need it (denied)", "Volume/data denied; it stays as it is"},
		false: {"Network/zone removals come last; Volume/data is held, and may replace what goes, or still need it (denied): mend it in git", "Volume/data denied; mend it in git"},
	} {
		f := Facts{Shares: true, Owned: 100, Problems: map[v1.Key]Problem{volume: {Why: "denied", Present: true, Instance: "data", Outside: outside}}}
		p := Build([]diff.Change{gone(network, diff.Meta{})}, f, Policy{Source: "src", Budgets: DefaultBudgets()})
		var got []string
		for _, r := range p.Refused {
			got = append(got, r.Key.String()+" "+r.Why)
		}
		if !slices.Equal(got, want[:]) || len(p.Steps) > 0 {
			t.Errorf("outside %t: %q, and the steps are %v", outside, got, p.Steps)
		}
	}
}

// While nobody knows which cluster volumes have a secret, it stays. Whatever else goes is none of their business, and an old
// version that stays is nobody's either.
func TestASecretStaysWhileVolumesAreUnseen(t *testing.T) {
	secret, config, service := v1.Key{Kind: v1.KindSecret, Name: "key"}, v1.Key{Kind: v1.KindConfig, Name: "conf"}, v1.Key{Kind: v1.KindService, Name: "web"}
	const why = "a cluster volume may have it and could never get another one, and which volumes have it is not known: denied"
	for _, test := range []struct {
		name   string
		key    v1.Key
		meta   diff.Meta
		unseen string
		why    string // "" if it goes
		quiet  bool
		kept   int
	}{
		{name: "seen", key: secret},
		{name: "an old version, and seen", key: secret, meta: diff.Meta{OldVersion: true}},
		{name: "unseen", key: secret, unseen: "denied", why: why},
		{name: "an old version", key: secret, meta: diff.Meta{OldVersion: true}, unseen: "denied", why: why, quiet: true},
		{name: "a service has it as well", key: secret, meta: diff.Meta{OldVersion: true, UsedBy: []v1.Key{service}}, unseen: "denied", kept: 1},
		{name: "a config", key: config, unseen: "denied"},
		{name: "an old version of a config", key: config, meta: diff.Meta{OldVersion: true}, unseen: "denied"},
	} {
		p := Build([]diff.Change{gone(test.key, test.meta)}, Facts{Shares: true, Owned: 100, Unseen: test.unseen}, Policy{Source: "src", Budgets: DefaultBudgets()})
		if test.why == "" {
			if len(p.Steps) != 1-test.kept || len(p.Kept) != test.kept || len(p.Refused) > 0 {
				t.Errorf("%s: %v, kept %v, refused %v", test.name, p.Steps, p.Kept, p.Refused)
			}
			continue
		}
		if len(p.Steps) > 0 || len(p.Refused) != 1 || p.Refused[0].Why != test.why || p.Refused[0].Quiet != test.quiet || p.Waiting() == test.quiet || p.Refused[0].Class != Later || !p.Refused[0].Unsure() || p.InSync() != test.quiet {
			t.Errorf("%s: %v, refused %+v", test.name, p.Steps, p.Refused)
		}
	}
}
