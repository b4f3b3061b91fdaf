package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/moby/moby/api/types/swarm"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/engine"
	"github.com/swarm-operator/swarm-operator/controllers/state"
)

// An object that the engine does not show counts as gone, and its record is forgotten when it is taken back. So nothing is
// taken back if the engine cannot show all that is on record.
func TestNothingIsTakenBackThatCannotBeSeen(t *testing.T) {
	volume := v1.Key{Kind: v1.KindVolume, Name: "data"}
	for name, test := range map[string]struct {
		api     string
		made    map[string]v1.Key
		volumes string // the engine's answer
		gone    bool   // what is on record
		err     string
	}{
		"it is there":            {api: "1.52", made: map[string]v1.Key{"id": volume}, volumes: `200 {"Volumes":[{"Name":"data","ClusterVolume":{"ID":"id"}}]}`},
		"it is gone":             {api: "1.52", made: map[string]v1.Key{"id": volume}, volumes: `200 {"Volumes":[]}`, gone: true},
		"an engine without them": {api: "1.41", made: map[string]v1.Key{"id": volume}, err: "source shop has on record: a Volume needs engine API 1.42, and this engine has 1.41, so it lists none: run this on a manager with a newer engine"},
		"a filter":               {api: "1.52", made: map[string]v1.Key{"id": volume}, volumes: `403 {"message":"denied"}`, err: "listing volumes: "},
		"no volume is on record": {api: "1.41", made: map[string]v1.Key{"id": web}, gone: true},
		"no memory":              {api: "1.52", err: "source shop has no memory in this swarm"},
	} {
		t.Run(name, func(t *testing.T) {
			configs := []swarm.Config{}
			if test.made != nil {
				m, err := state.New("shop")
				if err != nil {
					t.Fatal(err)
				}
				m.Made = test.made
				data, err := json.Marshal(m)
				if err != nil {
					t.Fatal(err)
				}
				configs = append(configs, swarm.Config{ID: "memory", Spec: swarm.ConfigSpec{Annotations: swarm.Annotations{Name: "swarm-operator.shop.1", Labels: map[string]string{v1.LabelState: "shop"}}, Data: data}})
			}
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Api-Version", test.api)
				w.Header().Set("Content-Type", "application/json")
				switch {
				case strings.HasSuffix(r.URL.Path, "/_ping"):
				case strings.HasSuffix(r.URL.Path, "/configs"):
					_ = json.NewEncoder(w).Encode(configs)
				case strings.HasSuffix(r.URL.Path, "/volumes"):
					var code int
					text, answer, _ := strings.Cut(test.volumes, " ")
					_, _ = fmt.Sscan(text, &code)
					w.WriteHeader(code)
					_, _ = w.Write([]byte(answer))
				case strings.HasSuffix(r.URL.Path, "/swarm"):
					_, _ = w.Write([]byte(`{}`))
				default:
					_, _ = w.Write([]byte(`[]`))
				}
			}))
			t.Cleanup(server.Close)
			c, err := engine.Open(engine.Options{Host: strings.Replace(server.URL, "http://", "tcp://", 1), ConfigDir: t.TempDir()})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = c.Close() })
			gone, err := (&acting{engine: c}).lost(t.Context(), "shop")
			switch {
			case test.err != "" && (err == nil || !strings.Contains(err.Error(), test.err)):
				t.Errorf("the error is %v, want %s", err, test.err)
			case test.err == "" && err != nil:
				t.Error(err)
			case err == nil && gone("id") != test.gone:
				t.Errorf("it is gone: %t", gone("id"))
			}
		})
	}
}
