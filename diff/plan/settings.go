package plan

import (
	"strings"

	"github.com/swarm-operator/swarm-operator/diff"
)

const guardDropsSettings = "drops-settings"

// drops reports whether a step makes an object without settings that it had before somebody removed it.
func (s Step) drops() bool {
	return s.Op == diff.Create && s.Change.Want != nil && len(s.Change.Want.Lost) > 0
}

// dropsInTime is dropsSettings for objects that are made when their time has come: nobody should wait first and be
// asked only then. It passes over an object whose removal is only reported. If another step needs that object after
// all, dropsSettings asks.
func dropsInTime(s Step, f Facts, p Policy) []Refusal {
	if s.Change.Removed() && !enforces(s.Change) {
		return nil
	}
	return dropsSettings(s, f, p)
}

// dropsSettings asks before an object is made again without settings that manifests cannot state and that exist
// nowhere any more.
func dropsSettings(s Step, _ Facts, p Policy) []Refusal {
	if !s.drops() {
		return nil
	}
	return s.Needs(DropsSettings, p, "somebody removed it, and it had settings that manifests cannot state (%s); if the operator made it from its manifest, it would lack them; "+
		"make it by hand with them, and the operator takes it over", list(s.Change.Want.Lost))
}

// lacks says which settings an object that somebody removed would lack if it were made again. It returns "" if that
// is nothing.
func lacks(want *diff.State) string {
	if len(want.Lost) == 0 {
		return ""
	}
	return "; made again it would lack settings that manifests cannot state: " + list(want.Lost)
}

// beside says which settings a live object has that no manifest can state. It returns "" if there are none.
func beside(have *diff.State) string {
	if len(have.Meta.Unstated) == 0 {
		return ""
	}
	return "; it has settings that manifests cannot state, and no write drops them: " + list(have.Meta.Unstated)
}

// taken returns the notes on an object that is taken over.
func taken(have *diff.State) []string {
	if len(have.Meta.Unstated) == 0 {
		return nil
	}
	return []string{"it has settings that manifests cannot state: " + list(have.Meta.Unstated) + "; no write drops them, and if somebody removes it, making it again waits for consent to drops-settings"}
}

// nameSettings adds notes to steps about what happens to settings that manifests cannot state.
func (p *Plan) nameSettings() {
	for i := range p.Steps {
		s := &p.Steps[i]
		if s.drops() {
			s.Notes = append(s.Notes, "it is made without settings that it had and that manifests cannot state: "+list(s.Change.Want.Lost))
		}
		have := s.Change.Have
		if have == nil || len(have.Meta.Unstated) == 0 {
			continue
		}
		switch {
		case s.removal() && !s.oldVersion():
			s.Notes = append(s.Notes, "settings that manifests cannot state go with it: "+list(have.Meta.Unstated))
		case s.Op == diff.Replace || s.MakesRoom():
			s.Notes = append(s.Notes, "it keeps its settings that manifests cannot state: "+list(have.Meta.Unstated))
		case s.Op == diff.Update && !have.Meta.Mine:
			s.Notes = append(s.Notes, taken(have)...)
		}
	}
}

func list(paths []string) string { return strings.Join(paths, ", ") }
