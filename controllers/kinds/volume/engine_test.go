package volume

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/moby/moby/api/types/volume"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/engine"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/diff/plan"
)

// fake is an engine that answers as it is told, by "METHOD /path". An answer is a status, a space and a body. If there
// is more than one answer, they are given in order, and the last one again and again.
type fake struct {
	answers map[string][]string
	calls   []string // each with its query and its body
}

var versioned = regexp.MustCompile(`^/v[0-9.]+`)

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := versioned.ReplaceAllString(r.URL.Path, "")
	if path == "/_ping" {
		w.Header().Set("Api-Version", f.answers["api"][0])
		return
	}
	body, _ := io.ReadAll(r.Body)
	f.calls = append(f.calls, strings.TrimSpace(fmt.Sprintf("%s %s?%s %s", r.Method, path, r.URL.RawQuery, body)))
	list := f.answers[r.Method+" "+path]
	if len(list) == 0 {
		w.WriteHeader(http.StatusTeapot)
		return
	}
	if len(list) > 1 {
		f.answers[r.Method+" "+path] = list[1:]
	}
	var status int
	text, answer, _ := strings.Cut(list[0], " ")
	_, _ = fmt.Sscan(text, &status)
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, answer)
}

// serve starts a fake engine of the newest version, unless the answers have another one.
func serve(t *testing.T, answers map[string][]string) (*fake, *engine.Client) {
	t.Helper()
	f := &fake{answers: answers}
	if answers["api"] == nil {
		answers["api"] = []string{"1.52"}
	}
	s := httptest.NewServer(f)
	t.Cleanup(s.Close)
	c, err := engine.Open(engine.Options{Host: strings.Replace(s.URL, "http://", "tcp://", 1), ConfigDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return f, c
}

// answer returns a volume as an engine sends it.
func answer(t *testing.T, status int, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(status, " ", string(b))
}

func TestClusterVolumesAreListed(t *testing.T) {
	own := volume.Volume{Name: "own", Driver: "local"}
	all := answer(t, 200, volume.ListResponse{Volumes: []volume.Volume{own, *csi()}})
	none := answer(t, 200, volume.ListResponse{Volumes: []volume.Volume{own}})
	warned := answer(t, 200, volume.ListResponse{Volumes: []volume.Volume{own}, Warnings: []string{"The swarm does not have a leader"}})
	both := answer(t, 200, volume.ListResponse{Volumes: []volume.Volume{*csi()}, Warnings: []string{"rexray: no answer"}})
	for _, test := range []struct {
		name    string
		answers map[string][]string
		found   string
		calls   int
		err     string
	}{
		{"both sorts", map[string][]string{"GET /volumes": {all}}, "data", 1, ""},
		{"an engine that is too old is not asked", map[string][]string{"api": {"1.41"}}, "", 0, ""},
		{"a filter", map[string][]string{"GET /volumes": {`403 {"message":"denied"}`}}, "", 1, "listing volumes: "},
		{"none on a manager", map[string][]string{"GET /volumes": {none}, "GET /swarm": {`200 {"ID":"swarm"}`}}, "", 2, ""},
		{"none on a worker", map[string][]string{"GET /volumes": {none}, "GET /swarm": {`503 {"message":"This node is not a swarm manager"}`}}, "", 2, "This node is not a swarm manager"},
		{"a swarm without a leader, or a plugin that does not answer", map[string][]string{"GET /volumes": {warned}}, "", 1, "listing volumes: the engine lists no cluster volume, and warns: The swarm does not have a leader"},
		{"a plugin that does not answer, beside a cluster volume", map[string][]string{"GET /volumes": {both}}, "data", 1, ""},
	} {
		f, c := serve(t, test.answers)
		lives, err := list(t.Context(), c)
		found := ""
		for _, l := range lives {
			found += l.Name
		}
		if found != test.found || len(f.calls) != test.calls || (err == nil) != (test.err == "") || err != nil && !strings.Contains(err.Error(), test.err) {
			t.Errorf("%s: %q, %v, by %q", test.name, found, err, f.calls)
		}
		if found != "" && (lives[0].ID != "id" || lives[0].Version != 7) {
			t.Errorf("%s: it is %+v", test.name, lives[0])
		}
	}
}

// A volume of the engine itself may have the name or even the id of a cluster volume.
func TestAVolumeOfTheEngineIsNotRead(t *testing.T) {
	_, c := serve(t, map[string][]string{
		"GET /volumes/id": {answer(t, 200, csi())}, "GET /volumes/own": {answer(t, 200, volume.Volume{Name: "own"})}, "GET /volumes/data": {answer(t, 200, csi())}, "GET /volumes/none": {`404 {"message":"x"}`},
	})
	if l, err := readOne(t.Context(), c, "id"); err != nil || l.Name != "data" {
		t.Errorf("the volume is %+v, %v", l, err)
	}
	for _, id := range []string{"own", "data", "none"} {
		if _, err := readOne(t.Context(), c, id); !engine.IsNotFound(err) {
			t.Errorf("%s: %v", id, err)
		}
	}
}

func TestSteps(t *testing.T) {
	key := v1.Key{Kind: v1.KindVolume, Name: "data"}
	ids := func(kind, name string) (string, error) { return kind + "-id-" + name, nil }
	unmade := csi()
	unmade.ClusterVolume.Info = nil
	have := &diff.State{Key: key, Instance: "data", Value: live(csi()), Meta: diff.Meta{ID: "id"}}
	drained := least()
	drained.Availability = "drain"
	gone := `404 {"message":"volume id not found"}`
	for _, test := range []struct {
		name    string
		step    plan.Step
		answers map[string][]string
		calls   []string // their beginnings, and what they hold
		err     string
	}{
		{
			name: "made, which the plugin takes some time for", step: plan.Step{Op: diff.Create, Key: key, Change: diff.Change{Want: wanted(t, all(), map[string]string{"tier": "db"})}},
			answers: map[string][]string{"POST /volumes/create": {answer(t, 201, unmade)}, "GET /volumes/id": {answer(t, 200, unmade), answer(t, 200, csi())}},
			calls:   []string{`POST /volumes/create?|"Name":"data"|"Driver":"csi:latest"|"Secret":"Secret-id-csi-user"|"tier":"db"|"swarm-operator.io/owner":"src/Volume/data"|"swarm-operator.io/made":"n1"`, "GET /volumes/id?", "GET /volumes/id?"},
		},
		{
			name: "made by an engine that drops the spec", step: plan.Step{Op: diff.Create, Key: key, Change: diff.Change{Want: wanted(t, least(), nil)}},
			answers: map[string][]string{"POST /volumes/create": {answer(t, 201, volume.Volume{Name: "data"})}},
			calls:   []string{"POST /volumes/create?"}, err: "remove it with docker volume rm data",
		},
		{
			name: "refused", step: plan.Step{Op: diff.Create, Key: key, Change: diff.Change{Want: wanted(t, least(), nil)}},
			answers: map[string][]string{"POST /volumes/create": {`500 {"message":"rpc error: code = Unknown desc = name conflicts with an existing object"}`}},
			calls:   []string{"POST /volumes/create?"}, err: "creating Volume/data: ",
		},
		{
			name: "drained", step: plan.Step{Op: diff.Update, Key: key, Fields: []diff.Field{{Path: "spec.availability"}}, Change: diff.Change{Want: wanted(t, drained, nil), Have: have}},
			answers: map[string][]string{"PUT /volumes/id": {"200 "}},
			calls:   []string{`PUT /volumes/id?version=7|"Availability":"drain"|"Scope":"single"`},
		},
		{
			name: "out of date", step: plan.Step{Op: diff.Update, Key: key, Fields: []diff.Field{{Path: "spec.availability"}}, Change: diff.Change{Want: wanted(t, drained, nil), Have: have}},
			answers: map[string][]string{"PUT /volumes/id": {`500 {"message":"rpc error: code = Unknown desc = update out of sequence"}`}},
			calls:   []string{"PUT /volumes/id?version=7"}, err: "update out of sequence",
		},
		{
			name: "removed, which the plugin takes some time for", step: plan.Step{Op: diff.Remove, Key: key, Change: diff.Change{Have: have}},
			answers: map[string][]string{"DELETE /volumes/id": {"204 "}, "GET /volumes/id": {answer(t, 200, csi()), gone}},
			calls:   []string{"DELETE /volumes/id?", "GET /volumes/id?", "GET /volumes/id?"},
		},
		{
			name: "in use", step: plan.Step{Op: diff.Remove, Key: key, Change: diff.Change{Have: have}},
			answers: map[string][]string{"DELETE /volumes/id": {`400 {"message":"rpc error: code = FailedPrecondition desc = volume is still in use"}`}},
			calls:   []string{"DELETE /volumes/id?"}, err: "volume is still in use",
		},
		{
			name: "removed, and not seen to go", step: plan.Step{Op: diff.Remove, Key: key, Change: diff.Change{Have: have}},
			answers: map[string][]string{"DELETE /volumes/id": {"204 "}, "GET /volumes/id": {`503 {"message":"no leader"}`}},
			calls:   []string{"DELETE /volumes/id?", "GET /volumes/id?"}, err: "removing volume data: ",
		},
	} {
		f, c := serve(t, test.answers)
		result, err := do(t.Context(), kinds.Env{Engine: c, Source: "src", ID: ids, Nonce: "n1"}, test.step)
		if (err == nil) != (test.err == "") || err != nil && !strings.Contains(err.Error(), test.err) {
			t.Errorf("%s: %v", test.name, err)
		}
		if err == nil && test.step.Op != diff.Remove && (result.ID != "id" || len(result.Warnings) > 0) {
			t.Errorf("%s: %+v", test.name, result)
		}
		if len(f.calls) != len(test.calls) {
			t.Errorf("%s: the calls are %q", test.name, f.calls)
			continue
		}
		for i, want := range test.calls {
			parts := strings.Split(want, "|")
			if !strings.HasPrefix(f.calls[i], parts[0]) || strings.Contains(f.calls[i], "force") {
				t.Errorf("%s: call %d is %s", test.name, i, f.calls[i])
			}
			for _, part := range parts[1:] {
				if !strings.Contains(f.calls[i], part) {
					t.Errorf("%s: call %d lacks %s: %s", test.name, i, part, f.calls[i])
				}
			}
		}
	}
}
