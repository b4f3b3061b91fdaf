package image

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"
)

// These run on one swarm, one after the other. Two operators at once would share two cores with the swarm.
func TestOnRealEngines(t *testing.T) {
	w := newWorld(t)
	t.Run("a plain container, as compose.yaml has it", func(t *testing.T) { aPlainContainer(w.in(t)) })
	t.Run("a container without the socket's group", func(t *testing.T) { aContainerThatIsNotLetIn(w.in(t)) })
	t.Run("a plain container on every manager", func(t *testing.T) { containersOnEveryManager(w.in(t)) })
	t.Run("a service on every manager, as swarm-operator.yaml has it", func(t *testing.T) { aStack(w.in(t)) })
	t.Run("a helper that opens locked managers, as unlock.yaml has it", func(t *testing.T) { aHelper(w.in(t)) })
}

// aHelper starts with its engine while the swarm is locked, and unlocks it.
func aHelper(w *world) {
	keys := w.TempDir()
	if err := errors.Join(os.Chmod(keys, 0o700), os.Chown(keys, 65532, 65532)); err != nil {
		w.Fatal(err)
	}
	r, err := w.api.SwarmInspect(w.Context(), client.SwarmInspectOptions{})
	if err != nil {
		w.Fatal(err)
	}
	r.Swarm.Spec.EncryptionConfig.AutoLockManagers = true
	if _, err := w.api.SwarmUpdate(w.Context(), client.SwarmUpdateOptions{Version: r.Swarm.Version, Spec: r.Swarm.Spec}); err != nil {
		w.Fatal(err)
	}
	key, err := w.api.SwarmGetUnlockKey(w.Context())
	if err != nil {
		w.Fatal(err)
	}
	id := w.start(manager, helper(w.T, map[string]string{"IMAGE": w.image, "DOCKER_GID": w.group}, keys))
	w.eventually(func() error {
		ring, err := os.ReadFile(filepath.Join(keys, "keys"))
		if err == nil && !strings.Contains(string(ring), key.Key) {
			err = errors.New("the key is not on the ring")
		}
		return err
	})
	if err := w.Kill(manager); err != nil {
		w.Fatal(err)
	}
	if err := w.Swarm.Start(w.Context(), manager); err != nil {
		w.Fatal(err)
	}
	w.eventually(func() error {
		info, err := w.api.Info(w.Context(), client.InfoOptions{})
		if err == nil && info.Info.Swarm.LocalNodeState != swarm.LocalNodeStateActive {
			err = fmt.Errorf("%s is %s", manager, info.Info.Swarm.LocalNodeState)
		}
		return err
	})
	if log := w.log(manager, id); !strings.Contains(log, `msg="manager unlocked"`) || strings.Contains(log, key.Key) {
		w.Errorf("it was not the helper, or it shows the key: %s", log)
	}
}

func aPlainContainer(w *world) {
	r := w.repo("plain")
	someoneElses(w.T, r.Dir)
	o := plain(w.T, map[string]string{"IMAGE": w.image, "DOCKER_GID": w.group, "SOURCE_DIR": r.Dir, "INSTANCE": manager, "REPAIR_AFTER": "0s"})
	id := w.start(manager, o)
	r.mainJob()
	w.healthy(id)
	w.confined(manager, id)
	if _, err := w.api.ContainerStop(w.Context(), id, client.ContainerStopOptions{}); err != nil {
		w.Fatal(err)
	}
	c, err := w.api.ContainerInspect(w.Context(), id, client.ContainerInspectOptions{})
	if err != nil {
		w.Fatal(err)
	}
	if s := c.Container.State; s.ExitCode != 0 || s.OOMKilled || c.Container.RestartCount != 0 {
		w.Errorf("it was stopped, and ended with %d after %d restarts", s.ExitCode, c.Container.RestartCount)
	}
}

// aContainerThatIsNotLetIn says so, and goes on trying: a person may change the socket's group.
func aContainerThatIsNotLetIn(w *world) {
	if w.group == "65532" {
		w.Fatal("the socket is everybody's")
	}
	r := w.repo("denied")
	id := w.start(manager, plain(w.T, map[string]string{"IMAGE": w.image, "DOCKER_GID": "65532", "SOURCE_DIR": r.Dir, "INSTANCE": manager}))
	w.eventually(func() error {
		if text := w.log(manager, id); !strings.Contains(text, "permission denied") {
			return fmt.Errorf("it says %s", text)
		}
		return nil
	})
	w.healthy(id)
}

// start starts a container on a node. It is removed when the test ends.
func (w *world) start(node string, o client.ContainerCreateOptions) string {
	w.Helper()
	api := w.Client(node)
	made, err := api.ContainerCreate(w.Context(), o)
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() {
		w.explain(node, made.ID)
		if _, err := api.ContainerRemove(context.Background(), made.ID, client.ContainerRemoveOptions{Force: true}); err != nil {
			w.Error(err)
		}
	})
	if _, err := api.ContainerStart(w.Context(), made.ID, client.ContainerStartOptions{}); err != nil {
		w.Fatal(err)
	}
	return made.ID
}

// someoneElses gives a checkout to a user that is neither root nor the operator's. git itself would call that
// dubious.
func someoneElses(t *testing.T, dir string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(path, 1234, 1234)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// healthy waits until the image's own health check succeeds.
func (w *world) healthy(container string) {
	w.Helper()
	w.eventually(func() error {
		c, err := w.api.ContainerInspect(w.Context(), container, client.ContainerInspectOptions{})
		if err != nil {
			return err
		}
		h := c.Container.State.Health
		if h == nil || h.Status != "healthy" {
			return fmt.Errorf("its health is %+v", h)
		}
		return nil
	})
}

// confined checks what the container may do.
func (w *world) confined(node, container string) {
	w.Helper()
	c, err := w.Client(node).ContainerInspect(w.Context(), container, client.ContainerInspectOptions{})
	if err != nil {
		w.Fatal(err)
	}
	h := c.Container.HostConfig
	if c.Container.Config.User != "65532:"+w.group || !h.ReadonlyRootfs || h.Privileged || len(h.CapAdd) > 0 || !slices.Equal(h.CapDrop, []string{"ALL"}) {
		w.Errorf("it is user %s with %+v", c.Container.Config.User, h)
	}
}

// containersOnEveryManager is what people with drained managers run: one container on each, joined only by the lease.
func containersOnEveryManager(w *world) {
	f := w.containers("fleet")
	f.actsAlone()
	f.judge()
}

// containers starts an operator on each manager.
func (w *world) containers(service string) *fleet {
	w.Helper()
	ids := map[string]string{}
	r := w.repo(service)
	for _, node := range w.Managers() {
		o := plain(w.T, map[string]string{"IMAGE": w.image, "DOCKER_GID": w.group, "SOURCE_DIR": r.Dir, "INSTANCE": node})
		o.Config.Env = append(o.Config.Env, "SWARM_OPERATOR_LOG_FORMAT=json")
		w.pull(node)
		ids[node] = w.start(node, o)
	}
	return &fleet{repo: r, logs: map[string]string{}, list: func(node string) ([]string, error) { return []string{ids[node]}, nil }}
}

// pull makes a node pull the image, as docker compose does.
func (w *world) pull(node string) {
	w.Helper()
	pulled, err := w.Client(node).ImagePull(w.Context(), w.image, client.ImagePullOptions{})
	if err == nil {
		err = pulled.Wait(w.Context())
	}
	if err != nil {
		w.Fatal(err)
	}
}
