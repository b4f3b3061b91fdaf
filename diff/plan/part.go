package plan

import "github.com/swarm-operator/swarm-operator/diff"

// Proposer adds to a plan the steps that no difference gives, or says why there are none. It goes by what its kind has found out.
type Proposer func(*Plan, Facts, Policy)

// Part is what a kind brings to a plan beside its differences. Each field may be nil.
type Part struct {
	// Propose comes before any guard.
	Propose Proposer
	// Then proposes when the guards have nothing more to say. They see what it adds.
	Then Proposer
	// Finish completes the steps when they are in order and nothing is refused any more.
	Finish Proposer
	// Guards speak in the first round, after those that hold for every kind.
	Guards []Guard
	// Needs let a step wait for what it needs of the kind's objects, and PutOff for the turns of others. What they refuse waits; they
	// speak when those before them have nothing more to say.
	Needs, PutOff []Guard
	// Own reports whether a step may be the last thing that this process does.
	Own func(Step) bool
}

// TextField is a field that a proposed step writes.
func TextField(path, have, want string) diff.Field {
	return diff.Field{Path: path, Have: diff.NewValue(have), Want: diff.NewValue(want), Git: true, Effect: diff.InPlace}
}
