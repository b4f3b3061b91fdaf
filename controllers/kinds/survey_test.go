package kinds

import (
	"errors"
	"testing"
)

// Only the answer to exactly the same question counts. It is an error if nobody has asked the question.
func TestAnswersToTasksThatAreNeeded(t *testing.T) {
	gone := errors.New("gone away")
	answers := []TaskAnswer{
		{TaskNeed: TaskNeed{Nodes: []string{"1", "2"}}, Tasks: []Task{{ID: "a"}, {ID: "b"}}},
		{TaskNeed: TaskNeed{Nodes: []string{"3"}}, Err: gone},
		{TaskNeed: TaskNeed{Services: []string{"1"}}, Tasks: []Task{{ID: "c"}}},
		{TaskNeed: TaskNeed{Services: []string{"2"}}},
	}
	for name, c := range map[string]struct {
		need  TaskNeed
		tasks int
		asked bool
		err   error
	}{
		"nodes":               {need: TaskNeed{Nodes: []string{"1", "2"}}, tasks: 2, asked: true},
		"one node of two":     {need: TaskNeed{Nodes: []string{"1"}}},
		"more nodes":          {need: TaskNeed{Nodes: []string{"1", "2", "3"}}},
		"a failure":           {need: TaskNeed{Nodes: []string{"3"}}, asked: true, err: gone},
		"services":            {need: TaskNeed{Services: []string{"1"}}, tasks: 1, asked: true},
		"no tasks":            {need: TaskNeed{Services: []string{"2"}}, asked: true},
		"nodes and services":  {need: TaskNeed{Nodes: []string{"3"}, Services: []string{"1"}}},
		"a node of that name": {need: TaskNeed{Nodes: []string{"4"}}},
	} {
		t.Run(name, func(t *testing.T) {
			tasks, asked, err := c.need.Answered(answers)
			if len(tasks) != c.tasks || asked != c.asked || asked && !errors.Is(err, c.err) || !asked && err == nil {
				t.Errorf("%v, asked: %t, %v", tasks, asked, err)
			}
			if !c.need.Any() {
				t.Error("it needs nothing")
			}
		})
	}
	if (TaskNeed{}).Any() {
		t.Error("the zero value needs something")
	}
}

// A copy of what nobody knows yet can be written to, and the original stays.
func TestACloneOfWhatIsRememberedCanBeWrittenTo(t *testing.T) {
	var r Remembered
	c := r.Clone()
	for _, m := range []map[string]bool{c.Emptied, c.Managers, c.Left, c.Orphans} {
		m["1"] = true
	}
	if len(r.Emptied)+len(r.Managers)+len(r.Left)+len(r.Orphans) > 0 {
		t.Errorf("the original is %+v", r)
	}
}
