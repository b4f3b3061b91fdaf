package e2e

import (
	"context"
	"fmt"
	"strings"

	"github.com/swarm-operator/swarm-operator/test/harness"
)

// operator is an operator that runs.
type operator struct {
	*harness.Operator
	w *world
}

// operate starts swarm-operator run. When the test ends it stops the operator, which must then end cleanly.
func (w *world) operate(host string, r *repo, args ...string) *operator {
	w.Helper()
	return w.operateEnv(nil, host, r, args...)
}

func (w *world) operateEnv(env []string, host string, r *repo, args ...string) *operator {
	w.Helper()
	o, err := harness.StartOperator(w.Context(), binary, w.env(env...), append([]string{"--host", host, "--source", r.Dir}, args...)...)
	if err != nil {
		w.Fatal(err)
	}
	op := &operator{o, w}
	w.Cleanup(op.finish)
	return op
}

func (o *operator) finish() {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if o.Running() {
		_, report, _ := o.Get(ctx, "/api/v1/drift") // for a person who looks into a failure
		o.w.keep("drift.json", report)
		if o.w.Failed() {
			o.w.Logf("drift report:\n%s", tail(report, 80))
		}
		code, err := o.Stop(ctx)
		if err != nil || code != 0 {
			o.Kill()
			o.w.Errorf("the operator was stopped and ended with %d, %v", code, err)
		}
	}
	o.w.keep("operator.log", o.Stdout()+o.Stderr())
	if o.w.Failed() {
		o.w.Logf("operator's log:\n%s", tail(o.Stdout()+o.Stderr(), 40))
	}
}

// report returns the drift report now. An operator that starts again with a new configuration may cut an answer off, so
// it is asked until it answers.
func (o *operator) report() harness.Report {
	o.w.Helper()
	return o.reports(func(harness.Report) error { return nil })
}

// reports waits until check accepts the drift report.
func (o *operator) reports(check func(harness.Report) error) harness.Report {
	o.w.Helper()
	var r harness.Report
	o.w.eventually(func() (err error) {
		if r, err = o.Report(o.w.Context()); err != nil {
			return err
		}
		return check(r)
	})
	return r
}

// says waits until the log has a text. The log line may come later than the report.
func (o *operator) says(text string) {
	o.w.Helper()
	o.w.eventually(func() error {
		if !strings.Contains(o.Stderr(), text) {
			return fmt.Errorf("%q is not in the log:\n%s", text, tail(o.Stderr(), 40))
		}
		return nil
	})
}

// inSync waits until a revision is in force and nothing differs.
func (o *operator) inSync(revision string) {
	o.w.Helper()
	o.reports(func(r harness.Report) error {
		if r.Applied != revision || !r.Is("InSync", true) {
			return fmt.Errorf("revision %s is not in force and in sync: %s", revision, brief(r))
		}
		return nil
	})
}

// condition waits until a condition has a status.
func (o *operator) condition(kind string, status bool) harness.Condition {
	o.w.Helper()
	r := o.reports(func(r harness.Report) error {
		if !r.Is(kind, status) {
			return fmt.Errorf("condition %s is not %t: %s", kind, status, brief(r))
		}
		return nil
	})
	c, _ := r.Condition(kind)
	return c
}

// answers returns the status code of the operator's HTTP server for a path.
func (o *operator) answers(path string) int {
	o.w.Helper()
	status, _, err := o.Get(o.w.Context(), path)
	if err != nil {
		o.w.Fatal(err)
	}
	return status
}

// brief returns the part of a report that explains most.
func brief(r harness.Report) string {
	var b strings.Builder
	fmt.Fprintf(&b, "revision %.10s, applied %.10s", r.Revision, r.Applied)
	for _, c := range r.Conditions {
		fmt.Fprintf(&b, "; %s=%t %s %s", c.Type, c.Status, c.Reason, c.Message)
	}
	for _, f := range r.Refused {
		fmt.Fprintf(&b, "; refused %s %s (%s, %s) %s", f.Op, f.Object, f.Guard, f.Class, f.Why)
	}
	return b.String()
}
