package sandbox

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/moby/moby/api/types/mount"
	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/api/types/volume"
	"github.com/moby/moby/client"
)

// clusterVolume says what makes a cluster volume.
func clusterVolume(name, driver string) client.VolumeCreateOptions {
	return client.VolumeCreateOptions{Name: name, Driver: driver, Labels: map[string]string{"tier": "db"}, ClusterVolumeSpec: &volume.ClusterVolumeSpec{
		AccessMode:    &volume.AccessMode{Scope: volume.ScopeSingleNode, Sharing: volume.SharingNone, MountVolume: &volume.TypeMount{FsType: "ext4"}},
		CapacityRange: &volume.CapacityRange{RequiredBytes: 1 << 20},
	}}
}

func volumeNow(t *testing.T, c *client.Client, name string) (volume.Volume, error) {
	t.Helper()
	r, err := c.VolumeInspect(t.Context(), name, client.VolumeInspectOptions{})
	return r.Volume, err
}

// waitVolume waits until a volume is on as many nodes as wanted, in a state.
func waitVolume(t *testing.T, c *client.Client, name string, on int, state volume.PublishState) volume.Volume {
	t.Helper()
	var v volume.Volume
	looks := 0
	eventually(t, func() (err error) {
		if looks++; on == 0 && looks%50 == 0 {
			schedulerPass(t, c)
		}
		if v, err = volumeNow(t, c, name); err != nil {
			return err
		}
		of := v.ClusterVolume
		if of.Info == nil || of.Info.VolumeID == "" || len(of.PublishStatus) != on || on > 0 && of.PublishStatus[0].State != state {
			states := ""
			for _, s := range of.PublishStatus {
				states += " " + string(s.State)
			}
			return fmt.Errorf("the volume is %+v on %d nodes:%s", of.Info, len(of.PublishStatus), states)
		}
		return nil
	})
	return v
}

// schedulerPass has the swarm's scheduler look at everything, by an event. The scheduler takes volumes off nodes at the end
// of each pass. If SwarmKit's volume manager writes the volume at the same time, with what it read before, that is lost
// until the next pass, and an idle swarm has none.
func schedulerPass(t *testing.T, c *client.Client) {
	t.Helper()
	nodes, err := c.NodeList(t.Context(), client.NodeListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	n := nodes.Items[0]
	n.Spec.Labels = map[string]string{"pass": n.Spec.Labels["pass"] + "."}
	if _, err := c.NodeUpdate(t.Context(), n.ID, client.NodeUpdateOptions{Version: n.Version, Spec: n.Spec}); err != nil && !strings.Contains(err.Error(), "out of sequence") {
		t.Fatal(err)
	}
}

// A cluster volume is made by the plugin, given to the node of its task, taken off it, and deleted by the plugin.
func TestClusterVolumesLive(t *testing.T) {
	t.Parallel()
	sb := start(t, Options{Managers: 1, Workers: 1, Storage: true})
	c := connect(t, sb, "manager-1")
	made, err := c.VolumeCreate(t.Context(), clusterVolume("data", StoragePlugin))
	if err != nil {
		t.Fatal(err)
	}
	id := made.Volume.ClusterVolume.ID
	if v := waitVolume(t, c, "data", 0, ""); v.ClusterVolume.Info.CapacityBytes != 1<<20 || v.Scope != "global" || v.Labels["tier"] != "db" || v.ClusterVolume.Spec.Availability != volume.AvailabilityActive {
		t.Errorf("the volume is %+v, %+v", v, v.ClusterVolume)
	}
	_, err = c.VolumeCreate(t.Context(), clusterVolume("Data", StoragePlugin))
	wantError(t, err, "name conflicts with an existing object")
	none := clusterVolume("other", StoragePlugin)
	none.ClusterVolumeSpec.Secrets = []volume.Secret{{Key: "user", Secret: "nobody"}}
	_, err = c.VolumeCreate(t.Context(), none)
	wantError(t, err, "secret not found: nobody")

	spec := serviceSpec("db", "app:1", 1)
	spec.TaskTemplate.ContainerSpec.Mounts = []mount.Mount{{Type: mount.TypeCluster, Source: "data", Target: "/data"}}
	create(t, c, spec)
	waitTasks(t, c, "db", swarm.TaskStateRunning, 1)
	v := waitVolume(t, c, "data", 1, volume.StatePublished)
	_, err = c.VolumeRemove(t.Context(), id, client.VolumeRemoveOptions{})
	wantError(t, err, "volume is still in use")

	live := v.ClusterVolume.Spec
	live.Availability = volume.AvailabilityDrain
	_, err = c.VolumeUpdate(t.Context(), "data", client.VolumeUpdateOptions{Version: v.ClusterVolume.Version, Spec: &live})
	wantError(t, err, "volume data not found")
	_, err = c.VolumeUpdate(t.Context(), id, client.VolumeUpdateOptions{Version: swarm.Version{Index: 1}, Spec: &live})
	wantError(t, err, "update out of sequence")
	live.Group = "others"
	if _, err = c.VolumeUpdate(t.Context(), id, client.VolumeUpdateOptions{Version: v.ClusterVolume.Version, Spec: &live}); err != nil {
		t.Fatal(err)
	}
	if v, err = volumeNow(t, c, id); err != nil || v.ClusterVolume.Spec.Availability != volume.AvailabilityDrain || v.ClusterVolume.Spec.Group != "" {
		t.Errorf("the update changed %+v, %v", v.ClusterVolume.Spec, err)
	}
	if _, err := c.ServiceRemove(t.Context(), "db", client.ServiceRemoveOptions{}); err != nil {
		t.Fatal(err)
	}
	waitVolume(t, c, "data", 0, "")
	if got := sb.Stored(); len(got) != 1 || got[0] != "data" {
		t.Errorf("the plugin has %q", got)
	}
	if _, err := c.VolumeRemove(t.Context(), id, client.VolumeRemoveOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() error {
		switch _, err := volumeNow(t, c, id); {
		case err == nil:
			return errors.New("the volume is still there")
		case !strings.Contains(err.Error(), "not found"):
			return err
		}
		return nil
	})
	if got := sb.Stored(); len(got) > 0 {
		t.Errorf("the plugin still has %q", got)
	}
}

// Without its plugin, a volume is accepted and never made. A client that is too old sees no cluster volumes.
func TestClusterVolumesWithoutThePluginOrTheVersion(t *testing.T) {
	t.Parallel()
	sb := start(t, Options{Managers: 1})
	c := connect(t, sb, "manager-1")
	made, err := c.VolumeCreate(t.Context(), clusterVolume("data", "nobodys"))
	if err != nil || made.Volume.ClusterVolume.Info != nil {
		t.Fatalf("%+v, %v", made.Volume, err)
	}
	for _, tc := range []struct {
		method, path, body string
		status             int
		want               string
	}{
		{"GET", "/volumes", "", 200, `"Name":"data"`},
		{"GET", "/v1.41/volumes", "", 200, `{"Volumes":[],"Warnings":null}`},
		{"GET", "/v1.41/volumes/data", "", 404, "get data: no such volume"},
		{"GET", "/volumes/nope", "", 404, "volume nope not found"},
		{"PUT", "/v1.41/volumes/data?version=1", "{}", 400, "requires API version 1.42"},
		{"PUT", "/volumes/data?version=x", "{}", 400, "invalid swarm object version 'x'"},
		{"POST", "/volumes/create", `{"Name":"own"}`, 501, "no volumes of single machines"},
		{"POST", "/v1.41/volumes/create", `{"Name":"own","ClusterVolumeSpec":{}}`, 501, "no volumes of single machines"},
		{"POST", "/volumes/create", `{"Name":"own","ClusterVolumeSpec":{}}`, 400, "AccessMode must not be nil"},
		{"DELETE", "/v1.41/volumes/data", "", 404, "no such volume"},
		{"DELETE", "/volumes/nope", "", 404, "volume nope not found"},
		{"DELETE", "/volumes/nope?force=1", "", http.StatusNoContent, ""},
		{"DELETE", "/volumes/data?force=1", "", http.StatusNoContent, ""},
		{"GET", "/volumes", "", 200, `{"Volumes":[],"Warnings":null}`},
	} {
		status, _, body := call(t, sb.Socket("manager-1"), tc.method, tc.path, tc.body)
		if status != tc.status || !strings.Contains(strings.ReplaceAll(body, `\"`, `"`), tc.want) {
			t.Errorf("%s %s: %d %s, want %d with %q", tc.method, tc.path, status, strings.TrimSpace(body), tc.status, tc.want)
		}
	}
}
