package plan

import "github.com/swarm-operator/swarm-operator/diff"

// Proposer adds to a plan the steps that no difference gives, or says why there are none. It decides by what its kind
// has found out.
type Proposer func(*Plan, Facts, Policy)

// Part is what a kind adds to a plan besides its differences. Each field may be nil.
type Part struct {
	// Propose runs before any guard.
	Propose Proposer
	// Then runs when the guards have no more objections. The guards see what it adds.
	Then Proposer
	// Finish completes the steps after they have been put in order. Nothing is refused after that.
	Finish Proposer
	// Forbids refuse for good what no consent allows. They run before the guards that ask for consent, so that nobody
	// agrees to what never comes.
	Forbids []Guard
	// Guards run in the first round, before the guards that say when a step is due.
	Guards []Guard
	// Needs make a step wait for what it needs of the kind's objects. PutOff make a step wait for the turns of
	// others. Both run when the guards before them have no more objections.
	Needs, PutOff []Guard
	// Own reports whether a step may be the last thing that this process does.
	Own func(Step) bool
}

// TextField returns a field that a proposed step writes.
func TextField(path, have, want string) diff.Field {
	return diff.Field{Path: path, Have: diff.NewValue(have), Want: diff.NewValue(want), Git: true, Effect: diff.InPlace}
}
