package cluster

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/moby/moby/api/types/swarm"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/engine"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/diff/plan"
)

var at = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// written is what an update of the swarm asked for.
type written struct {
	query url.Values
	spec  swarm.Spec
}

// serve starts an engine that accepts updates of the swarm.
func serve(t *testing.T) (*engine.Client, *[]written) {
	t.Helper()
	t.Setenv("DOCKER_CONFIG", t.TempDir())
	var all []written
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Api-Version", "1.44")
		if strings.HasSuffix(r.URL.Path, "/swarm/update") {
			one := written{query: r.URL.Query()}
			if err := json.NewDecoder(r.Body).Decode(&one.spec); err != nil {
				t.Error(err)
			}
			all = append(all, one)
		}
	}))
	t.Cleanup(srv.Close)
	c, err := engine.Open(engine.Options{Host: "tcp://" + srv.Listener.Addr().String()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c, &all
}

func liveFull(labels map[string]string) *kinds.Live {
	c := full()
	c.Version.Index = 7
	maps.Copy(c.Spec.Labels, labels)
	return &kinds.Live{Kind: v1.KindCluster, ID: c.ID, Name: v1.ClusterName, Version: 7, Labels: c.Spec.Labels, Raw: c}
}

// wantRotation returns a manifest that states a rotation of each thing.
func wantRotation() *v1.Cluster {
	by := func(epoch uint64, every time.Duration) *v1.Rotation {
		return &v1.Rotation{Epoch: &epoch, Every: ptr(v1.Duration(every))}
	}
	c := &v1.Cluster{Spec: v1.ClusterSpec{
		JoinTokens: &v1.JoinTokens{Worker: &v1.JoinToken{Rotation: by(1, time.Hour)}, Manager: &v1.JoinToken{Rotation: by(2, 2*time.Hour)}},
		Autolock:   &v1.Autolock{Enabled: ptr(true), Rotation: by(3, 3*time.Hour), Escrow: "disk"},
		CA:         &v1.CA{Rotation: &v1.CARotation{Epoch: ptr(uint64(4))}},
	}}
	c.Header = v1.Header{APIVersion: v1.APIVersion, Kind: v1.KindCluster, Metadata: v1.Metadata{Name: v1.ClusterName}}
	return c
}

// A rotation replaces only the token, key or root that it is about. It leaves the rest of the spec as it is, and goes
// on record in the same update.
func TestARotationIsOneUpdate(t *testing.T) {
	const on = "epoch=5 at=2026-03-01T12:00:00Z"
	for _, c := range []struct {
		name    string
		renewal *kinds.Renewal
		fields  []diff.Field
		flags   string
		change  func(*swarm.Spec)
	}{
		{"workers", &kinds.Renewal{Makes: kinds.WorkerToken, Records: map[kinds.Rotated]kinds.RotationRecord{kinds.WorkerToken: {Epoch: 5, At: at}}}, nil, "rotateWorkerToken", func(s *swarm.Spec) {
			s.Labels[v1.LabelRotatedWorker] = on
		}},
		{"managers", &kinds.Renewal{Makes: kinds.ManagerToken, Records: map[kinds.Rotated]kinds.RotationRecord{kinds.ManagerToken: {Epoch: 5, At: at}}}, nil, "rotateManagerToken", func(s *swarm.Spec) {
			s.Labels[v1.LabelRotatedManager] = on
		}},
		{"the key", &kinds.Renewal{Makes: kinds.UnlockKey, Records: map[kinds.Rotated]kinds.RotationRecord{kinds.UnlockKey: {Epoch: 5, At: at}}}, nil, "rotateManagerUnlockKey", func(s *swarm.Spec) {
			s.Labels[v1.LabelRotatedKey] = on
		}},
		{"the root", &kinds.Renewal{Makes: kinds.RootCA, Records: map[kinds.Rotated]kinds.RotationRecord{kinds.RootCA: {Epoch: 5, At: at}}}, nil, "", func(s *swarm.Spec) {
			s.Labels[v1.LabelRotatedCA] = on
			s.CAConfig.ForceRotate = 4
		}},
		{"records alone", &kinds.Renewal{Records: map[kinds.Rotated]kinds.RotationRecord{kinds.RootCA: {Epoch: 5, At: at}, kinds.WorkerToken: {Epoch: 5, At: at}}}, nil, "", func(s *swarm.Spec) {
			s.Labels[v1.LabelRotatedCA], s.Labels[v1.LabelRotatedWorker] = on, on
		}},
		{"a setting, which rotates nothing", nil, []diff.Field{{Path: "spec.autolock.enabled"}}, "", func(*swarm.Spec) {}},
		{"autolock, which makes a key", &kinds.Renewal{Records: map[kinds.Rotated]kinds.RotationRecord{kinds.UnlockKey: {Epoch: 5, At: at}}}, []diff.Field{{Path: "spec.autolock.enabled"}}, "", func(s *swarm.Spec) {
			s.Labels[v1.LabelRotatedKey] = on
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			client, all := serve(t)
			live, want := liveFull(nil), wantRotation()
			before, _ := json.Marshal(raw(live))
			s := plan.Step{Op: diff.Update, Key: want.Key(), Fields: c.fields, Origin: plan.OriginRotates, Does: c.renewal, Change: diff.Change{Have: &diff.State{Value: live}, Want: &diff.State{Value: want}}}
			if _, err := do(t.Context(), kinds.Env{Engine: client, Source: "s"}, s); err != nil {
				t.Fatal(err)
			}
			if after, _ := json.Marshal(raw(live)); string(before) != string(after) {
				t.Error("the live object was changed")
			}
			if len(*all) != 1 {
				t.Fatalf("%d updates", len(*all))
			}
			got := (*all)[0]
			for _, flag := range []string{"rotateWorkerToken", "rotateManagerToken", "rotateManagerUnlockKey"} {
				if is := got.query.Get(flag) == "true"; is != (flag == c.flags) {
					t.Errorf("%s is %t", flag, is)
				}
			}
			if v := got.query.Get("version"); v != "7" {
				t.Errorf("it was decided on version 7, and written over %s", v)
			}
			wanted := full().Spec
			wanted.Labels[v1.LabelOwner], wanted.Labels[v1.LabelApplied] = "s/Cluster/default", got.spec.Labels[v1.LabelApplied]
			c.change(&wanted)
			if d := cmp.Diff(wanted, got.spec); d != "" {
				t.Errorf("the spec (-want +got):\n%s", d)
			}
		})
	}
	client, all := serve(t)
	s := plan.Step{Op: diff.Update, Origin: plan.OriginRotates, Does: &kinds.Renewal{Makes: kinds.RootCA}, Change: diff.Change{Have: &diff.State{Value: liveFull(nil)}, Want: &diff.State{Value: wantRotation()}}}
	if _, err := do(t.Context(), kinds.Env{Engine: client, Source: "s"}, s); err == nil || len(*all) > 0 {
		t.Error("a rotation without a record was carried out")
	}
}

func TestRotationsHaveWhatIsStatedAndRecorded(t *testing.T) {
	live := liveFull(map[string]string{
		v1.LabelRotatedWorker: "epoch=1 at=2026-03-01T12:00:00Z", v1.LabelRotatedCA: "epoch=2 at=2026-03-01T12:00:00Z", v1.LabelRotatedManager: "yesterday",
	})
	epoch := func(n uint64) *uint64 { return &n }
	records := map[kinds.Rotated]kinds.RotationRecord{kinds.WorkerToken: {Epoch: 1, At: at}, kinds.RootCA: {Epoch: 2, At: at}}
	for _, c := range []struct {
		name string
		want v1.Object
		is   Rotations
	}{
		{"no manifest", nil, Rotations{}},
		{"all", wantRotation(), Rotations{Stated: []Rotation{
			{Of: kinds.WorkerToken, Path: "spec.joinTokens.worker.rotation", Epoch: epoch(1), Every: time.Hour},
			{Of: kinds.ManagerToken, Path: "spec.joinTokens.manager.rotation", Epoch: epoch(2), Every: 2 * time.Hour},
			{Of: kinds.UnlockKey, Path: "spec.autolock.rotation", Epoch: epoch(3), Every: 3 * time.Hour},
			{Of: kinds.RootCA, Path: "spec.ca.rotation", Epoch: epoch(4)},
		}}},
		{"sinks", &v1.Cluster{Spec: v1.ClusterSpec{JoinTokens: &v1.JoinTokens{Worker: &v1.JoinToken{Sinks: []string{"disk"}}}, CA: &v1.CA{}}}, Rotations{}},
		{"unlocked", &v1.Cluster{Spec: v1.ClusterSpec{Autolock: &v1.Autolock{Enabled: ptr(false), Rotation: &v1.Rotation{Epoch: epoch(1)}, Escrow: "disk"}}}, Rotations{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.is.Records, c.is.Locked = records, true
			if d := cmp.Diff(c.is, rotations(live, c.want)); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
	last := map[string]time.Time{"worker-token": at}
	if got := rotate(kinds.Rotate{Live: live, Now: at}, nil); !maps.Equal(got.Last, last) { // a root has no age
		t.Errorf("replaced last: %v, want %v", got.Last, last)
	}
	raw(live).Spec.EncryptionConfig.AutoLockManagers = false
	if rotations(live, nil).Locked {
		t.Error("it is not locked")
	}
}

// A cluster that is given up has no record. If it is managed again, new records are begun and nothing is rotated.
func TestReleaseRemovesTheRecordsOfRotations(t *testing.T) {
	client, all := serve(t)
	done, why, err := release(t.Context(), client, liveFull(map[string]string{v1.LabelRotatedWorker: "epoch=1 at=2026-03-01T12:00:00Z", v1.LabelRotatedCA: "x", v1.LabelOwner: "s/Cluster/default"}))
	if err != nil || !done || why != "" || len(*all) != 1 {
		t.Fatalf("%t %q %v, %d updates", done, why, err, len(*all))
	}
	if d := cmp.Diff(full().Spec, (*all)[0].spec); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if done, _, err := release(t.Context(), client, liveFull(nil)); err != nil || done || len(*all) != 1 {
		t.Errorf("what is not ours was written: %v", err)
	}
}
