package diff

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// typed gives the leaves below lists their types. For example, spec.ports[80/tcp].mode has the type
// spec.ports[].mode.
func typed(s State) State {
	for i := range s.Leaves {
		path := s.Leaves[i].Path
		open, end := strings.IndexByte(path, '['), strings.Index(path, "].")
		if strings.HasPrefix(path, "spec.") && open > 0 && end > 0 {
			s.Leaves[i].Type = path[:open] + "[]" + path[end+1:]
		}
	}
	return s
}

// A leaf that no manifest states is part of something. If git adds or removes that, the leaf is a change of git.
// Otherwise it is a change by hand.
func TestWhoseDoingALeafIsThatNobodyStated(t *testing.T) {
	const (
		port, mode = "spec.ports[443/tcp].published=443", "spec.ports[443/tcp].mode=ingress"
		image      = "spec.image=bb:1"
	)
	for _, test := range []struct {
		name, fields string
		have, want   State
	}{
		{
			name: "an element is added in git", have: live("a", image).after(image), want: wanted("a", image, port, "!"+mode),
			fields: "spec.ports[443/tcp].mode: (none) → ingress (git, restarts tasks)\nspec.ports[443/tcp].published: (none) → 443 (git, restarts tasks)",
		},
		{
			name: "one is added beside another", want: wanted("a", "spec.ports[80/tcp].published=80", "!spec.ports[80/tcp].mode=ingress", port, "!"+mode),
			have:   live("a", "spec.ports[80/tcp].published=80", "spec.ports[80/tcp].mode=ingress").after("spec.ports[80/tcp].published=80"),
			fields: "spec.ports[443/tcp].mode: (none) → ingress (git, restarts tasks)\nspec.ports[443/tcp].published: (none) → 443 (git, restarts tasks)",
		},
		{
			name: "one is removed in git", have: live("a", image, port, mode).after(image, port), want: wanted("a", image),
			fields: "spec.ports[443/tcp].mode: ingress → (none) (git, restarts tasks)\nspec.ports[443/tcp].published: 443 → (none) (git, restarts tasks)",
		},
		{
			name: "one is removed in git and another added", have: live("a", "spec.ports[80/tcp].published=80", "spec.ports[80/tcp].mode=ingress").after("spec.ports[80/tcp].published=80"),
			want: wanted("a", port, "!"+mode),
			fields: "spec.ports[443/tcp].mode: (none) → ingress (git, restarts tasks)\nspec.ports[443/tcp].published: (none) → 443 (git, restarts tasks)\n" +
				"spec.ports[80/tcp].mode: ingress → (none) (git, restarts tasks)\nspec.ports[80/tcp].published: 80 → (none) (git, restarts tasks)",
		},
		{
			name: "a hand adds an element", have: live("a", image, port, mode).after(image), want: wanted("a", image),
			fields: "spec.ports[443/tcp].mode: ingress → (none) (hand, restarts tasks)\nspec.ports[443/tcp].published: 443 → (none) (hand, restarts tasks)",
		},
		{
			name: "a hand removes an element", have: live("a", image).after(image, port), want: wanted("a", image, port, "!"+mode),
			fields: "spec.ports[443/tcp].mode: (none) → ingress (hand, restarts tasks)\nspec.ports[443/tcp].published: (none) → 443 (hand, restarts tasks)",
		},
		{
			name: "a hand adds one element while git removes another", have: live("a", "spec.ports[80/tcp].published=80", "spec.ports[80/tcp].mode=ingress", port, mode).after("spec.ports[80/tcp].published=80"),
			want: wanted("a"),
			fields: "spec.ports[443/tcp].mode: ingress → (none) (hand, restarts tasks)\nspec.ports[443/tcp].published: 443 → (none) (hand, restarts tasks)\n" +
				"spec.ports[80/tcp].mode: ingress → (none) (git, restarts tasks)\nspec.ports[80/tcp].published: 80 → (none) (git, restarts tasks)",
		},
		{
			name: "a hand changes the default of an element", have: live("a", port, "spec.ports[443/tcp].mode=host").after(port), want: wanted("a", port, "!"+mode),
			fields: "spec.ports[443/tcp].mode: host → ingress (hand, restarts tasks)",
		},
		{
			name: "git changes an element beside the default that a hand changed", have: live("a", port, "spec.ports[443/tcp].mode=host").after(port),
			want:   wanted("a", "spec.ports[443/tcp].published=444", "!"+mode),
			fields: "spec.ports[443/tcp].mode: host → ingress (hand, restarts tasks)\nspec.ports[443/tcp].published: 443 → 444 (git, restarts tasks)",
		},
		{
			name: "git takes over an element that a hand added", have: live("a", "spec.ports[443/tcp].published=1", "spec.ports[443/tcp].mode=host").after(image), want: wanted("a", port, "!"+mode),
			fields: "spec.ports[443/tcp].mode: host → ingress (git, restarts tasks)\nspec.ports[443/tcp].published: 1 → 443 (git, restarts tasks)",
		},
		{
			name: "a block is added in git", have: live("a", image).after(image), want: wanted("a", image, "spec.healthcheck.interval=local", "!spec.healthcheck.retries=1"),
			fields: "spec.healthcheck.interval: (none) → local (git, restarts tasks)\nspec.healthcheck.retries: (none) → 1 (git, restarts tasks)",
		},
		{
			name: "a block is removed in git", have: live("a", "spec.healthcheck.interval=local", "spec.healthcheck.retries=1").after("spec.healthcheck.interval=local"), want: wanted("a"),
			fields: "spec.healthcheck.interval: local → (none) (git, restarts tasks)\nspec.healthcheck.retries: 1 → (none) (git, restarts tasks)",
		},
		{
			name: "a block within an element is added in git", have: live("a", "spec.mounts[/x.y].type=tmpfs").after("spec.mounts[/x.y].type=tmpfs"),
			want:   wanted("a", "spec.mounts[/x.y].type=tmpfs", "spec.mounts[/x.y].tmpfs.size=1", "!spec.mounts[/x.y].tmpfs.mode=0700"),
			fields: "spec.mounts[/x.y].tmpfs.mode: (none) → 0700 (git, restarts tasks)\nspec.mounts[/x.y].tmpfs.size: (none) → 1 (git, restarts tasks)",
		},
		{
			name: "a hand changed the default of a block that git states now", have: live("a", "spec.updateConfig.order=start-first").after(image),
			want:   wanted("a", image, "spec.updateConfig.delay=1s", "!spec.updateConfig.order=stop-first"),
			fields: "spec.image: (none) → bb:1 (hand, restarts tasks)\nspec.updateConfig.delay: (none) → 1s (git, restarts tasks)\nspec.updateConfig.order: start-first → stop-first (hand, restarts tasks)",
		},
		{
			name: "a hand adds a variable while git adds one", have: live("a", "spec.environment.HAND=1").after(image), want: wanted("a", "spec.environment.GIT=1"),
			fields: "spec.environment.GIT: (none) → 1 (git, restarts tasks)\nspec.environment.HAND: 1 → (none) (hand, restarts tasks)",
		},
		{
			name: "a hand adds a variable while git removes the last", have: live("a", "spec.environment.HAND=1", "spec.environment.GIT=1").after("spec.environment.GIT=1"), want: wanted("a"),
			fields: "spec.environment.GIT: 1 → (none) (git, restarts tasks)\nspec.environment.HAND: 1 → (none) (hand, restarts tasks)",
		},
		{
			name: "a hand changes a default that is part of nothing", have: live("a", image, "spec.stopGracePeriod=1s").after(image), want: wanted("a", image, "!spec.stopGracePeriod=10s"),
			fields: "spec.stopGracePeriod: 1s → 10s (hand, restarts tasks)",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			have, want := typed(test.have), typed(test.want)
			if d := cmp.Diff(test.fields, brief(DifferingFields(&have, &want, rules))); d != "" {
				t.Errorf("fields (-want +got):\n%s", d)
			}
		})
	}
}

// A default that follows from another leaf changes with it, so whoever changed that leaf changed both.
func TestADefaultThatFollowsAnother(t *testing.T) {
	following := Rules{"spec.mode": {Effect: Recreate}, "spec.restartPolicy.condition": {Effect: RestartsTasks, Follows: "spec.mode"}}
	const always, onFailure = "spec.restartPolicy.condition=any", "spec.restartPolicy.condition=on-failure"
	for _, test := range []struct {
		name, fields string
		have, want   State
	}{
		{
			name: "git states another mode", have: live("a", "spec.mode=replicated", always).after("spec.mode=replicated"), want: wanted("a", "spec.mode=replicated-job", "!"+onFailure),
			fields: "spec.mode: replicated → replicated-job (git, recreates)\nspec.restartPolicy.condition: any → on-failure (git, restarts tasks)",
		},
		{
			name: "git states a mode for the first time", have: live("a", "spec.mode=replicated", always).after("spec.image=bb"), want: wanted("a", "spec.mode=replicated-job", "!"+onFailure),
			fields: "spec.mode: replicated → replicated-job (git, recreates)\nspec.restartPolicy.condition: any → on-failure (git, restarts tasks)",
		},
		{
			name: "git states none any more", have: live("a", "spec.mode=replicated-job", onFailure).after("spec.mode=replicated-job"), want: wanted("a", "!spec.mode=replicated", "!"+always),
			fields: "spec.mode: replicated-job → replicated (git, recreates)\nspec.restartPolicy.condition: on-failure → any (git, restarts tasks)",
		},
		{
			name: "the mode is as it was", have: live("a", "spec.mode=replicated", onFailure).after("spec.mode=replicated"), want: wanted("a", "spec.mode=replicated", "!"+always),
			fields: "spec.restartPolicy.condition: on-failure → any (hand, restarts tasks)",
		},
		{
			name: "no mode is or was stated", have: live("a", "spec.mode=replicated", onFailure).after("spec.image=bb"), want: wanted("a", "!spec.mode=replicated", "!"+always),
			fields: "spec.restartPolicy.condition: on-failure → any (hand, restarts tasks)",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			if d := cmp.Diff(test.fields, brief(DifferingFields(&test.have, &test.want, following))); d != "" {
				t.Errorf("fields (-want +got):\n%s", d)
			}
		})
	}
}
