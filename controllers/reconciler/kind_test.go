package reconciler

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/go-logr/logr"
	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/apply"
	"github.com/swarm-operator/swarm-operator/controllers/engine"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/controllers/kinds/all"
	"github.com/swarm-operator/swarm-operator/controllers/revisions"
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/diff/plan"
	"github.com/swarm-operator/swarm-operator/manifests"
	"github.com/swarm-operator/swarm-operator/manifests/git"
	"github.com/swarm-operator/swarm-operator/test/small"
)

// note is what a type in api/v1 is to a kind: here a text that lies in a config of the swarm.
type note struct {
	v1.Header
	Spec noteSpec `json:"spec"`
}

type noteSpec struct {
	Text string `json:"text"`
}

const kindNote = "Note"

func (n *note) External() bool  { return false }
func (n *note) Default()        {}
func (n *note) Refs() []v1.Ref  { return nil }
func (n *note) Copy() v1.Object { out := *n; return &out }
func (n *note) Validate() []v1.Problem {
	if n.Spec.Text == "" {
		return []v1.Problem{{Path: "spec.text", Message: "is required"}}
	}
	return nil
}

// noteKind is what a folder in controllers/kinds is to a kind.
func noteKind() kinds.Kind {
	live := func(c *swarm.Config) *kinds.Live {
		return &kinds.Live{Kind: kindNote, ID: c.ID, Name: c.Spec.Name, Version: c.Version.Index, Labels: c.Spec.Labels, Created: c.CreatedAt, Raw: c}
	}
	remove := func(ctx context.Context, c *engine.Client, id string) error {
		_, err := c.ConfigRemove(ctx, id, client.ConfigRemoveOptions{})
		return err
	}
	return kinds.Kind{
		Model: kinds.Model{
			Name:  kindNote,
			New:   func() v1.Object { return &note{} },
			Shape: diff.NewShape(&note{}),
			Rules: diff.Rules{"metadata.labels.*": {Effect: diff.Recreate, Nobody: diff.NobodysLabel}, "spec.text": {Effect: diff.Recreate}},
			Uses:  func(*kinds.Live) []kinds.Ref { return nil },
			Normalise: func(l *kinds.Live, _ *kinds.Index) v1.Object {
				return &note{v1.Header{APIVersion: v1.APIVersion, Kind: kindNote, Metadata: v1.Metadata{Name: l.Name}}, noteSpec{string(l.Raw.(*swarm.Config).Spec.Data)}}
			},
		},
		Store: kinds.Store{
			List: func(ctx context.Context, c *engine.Client) ([]*kinds.Live, error) {
				all, err := c.ConfigList(ctx, client.ConfigListOptions{})
				var out []*kinds.Live
				for i := range all.Items {
					if strings.Contains(all.Items[i].Spec.Labels[v1.LabelOwner], "/"+kindNote+"/") {
						out = append(out, live(&all.Items[i]))
					}
				}
				return out, err
			},
			Read: func(ctx context.Context, c *engine.Client, id string) (*kinds.Live, error) {
				r, err := c.ConfigInspect(ctx, id, client.ConfigInspectOptions{})
				return live(&r.Config), err
			},
			Do: func(ctx context.Context, env kinds.Env, s plan.Step) (kinds.Result, error) {
				if s.Change.Have != nil {
					if err := remove(ctx, env.Engine, s.Change.Have.Meta.ID); err != nil || s.Op == diff.Remove {
						return kinds.Result{}, err
					}
				}
				want := s.Change.Want
				labels := kinds.Labels(nil, env.Owner(s.Key), diff.NewApplied(want.Leaves).String())
				env.Mark(labels)
				made, err := env.Engine.ConfigCreate(ctx, client.ConfigCreateOptions{Spec: swarm.ConfigSpec{
					Annotations: swarm.Annotations{Name: s.Instance, Labels: labels}, Data: []byte(want.Value.(*note).Spec.Text),
				}})
				return kinds.Result{ID: made.ID}, err
			},
		},
	}
}

// To add a kind, write a type in api/v1 and a folder in controllers/kinds, and add a line to the list of kinds. This
// file has one part for each of the three. No other code knows the kind, and yet its objects are loaded, planned,
// created, replaced and removed like those of any other kind.
func TestAKindNeedsATypeAFolderAndALine(t *testing.T) {
	k := noteKind()
	every := append(kinds.Set{k}, all.Kinds()...) // the line
	loader := manifests.NewLoader(manifests.Options{Kinds: append(all.Manifests(), manifests.Kind{
		Name: k.Name, New: k.New, Field: func(path string) (bool, []string) { return k.Shape.Names(path), k.Shape.Types() },
	})})
	dir := t.TempDir()
	state := func(names ...string) {
		t.Helper()
		var text strings.Builder
		for _, name := range names {
			name, says, _ := strings.Cut(name, "=")
			fmt.Fprintf(&text, "apiVersion: swarm-operator.io/v1\nkind: Note\nmetadata: {name: %s}\nspec: {text: %q}\n---\n", name, says)
		}
		if err := os.WriteFile(filepath.Join(dir, "notes.yaml"), []byte(text.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	state("a=one", "b=two")
	source, err := git.Open(t.Context(), dir, git.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = source.Close() })
	c := small.Engine(t, small.Swarm(t), nil)
	r := New(Options{
		Engine: c, Kinds: every, Log: logr.Discard(),
		Revisions: revisions.New(revisions.Options{Git: source, Path: ".", Loader: loader, Log: logr.Discard()}),
	})
	r.decider.Budgets = plan.DefaultBudgets()
	if r.decider.Consents, err = plan.ParseConsent("replace Note/a"); err != nil {
		t.Fatal(err)
	}
	becomes := func(when, want, texts string) {
		t.Helper()
		run, err := r.Plan(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var does []string
		for _, s := range run.Plan.Steps {
			does = append(does, s.Name())
		}
		if got := strings.Join(does, ", "); got != want {
			t.Errorf("%s, the steps are %q, want %q: %s\n%v", when, got, want, run.Plan.Text(nil), run.Problems)
		}
		if out, err := r.Apply(t.Context(), run, func(apply.Event) {}); err != nil || out.Err() != nil {
			t.Fatal(err, out.Err())
		}
		lives, err := k.List(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		var are []string
		for _, l := range lives {
			are = append(are, l.Name+"="+string(l.Raw.(*swarm.Config).Spec.Data))
		}
		slices.Sort(are)
		if got := strings.Join(are, " "); got != texts {
			t.Errorf("%s, there are %s, want %s", when, got, texts)
		}
	}
	becomes("at first", "create Note/a, create Note/b", "a=one b=two")
	becomes("when all is done", "", "a=one b=two")
	state("a=three", "b=two")
	becomes("when one is changed", "replace Note/a", "a=three b=two")
	state("a=three")
	becomes("when one is no longer in git", "remove Note/b", "a=three")
}
