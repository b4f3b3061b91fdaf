package e2e

import (
	"fmt"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/fstest"

	"github.com/moby/moby/client"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/controllers/kinds/all"
	"github.com/swarm-operator/swarm-operator/manifests"
	"github.com/swarm-operator/swarm-operator/test/harness"
)

// otherFields has two values for each field of the kinds whose objects are made again when they change.
var otherFields = map[string]map[string][2]string{
	v1.KindNetwork: {
		"driverOpts": {"{a: one}", "{a: two, b: one}"},
		"attachable": {"true", "false"},
		"internal":   {"true", "false"},
		"enableIPv6": {"true", "false"},
		"ipam": {
			"{config: [{subnet: 10.81.0.0/24, ipRange: 10.81.0.128/25, gateway: 10.81.0.9}], options: {a: one}}",
			"{config: [{subnet: 10.82.0.0/24, ipRange: 10.82.0.64/26, gateway: 10.82.0.3}], options: {a: two}}",
		},
	},
	v1.KindConfig: {
		"data":           {"one", "two"},
		"templateDriver": {"golang, data: same", "'', data: same"},
	},
	v1.KindSecret: {
		"data":           {"one", "two"},
		"templateDriver": {"golang, data: same", "'', data: same"},
	},
}

// madeOf returns a manifest for each field, which states only that field, and one with a label.
func madeOf(value int) map[string]string {
	files := map[string]string{}
	for kind, fields := range otherFields {
		for field, values := range fields {
			name := strings.ToLower(kind + "-" + field)
			files[name+".yaml"] = fmt.Sprintf(head, kind, name) + fmt.Sprintf("spec: {%s: %s}\n", field, values[value])
		}
	}
	for kind, spec := range map[string]string{v1.KindNetwork: "{}", v1.KindConfig: "{data: same}", v1.KindSecret: "{data: same}"} {
		name := strings.ToLower(kind + "-labels")
		files[name+".yaml"] = strings.Replace(fmt.Sprintf(head, kind, name), "}", fmt.Sprintf(", labels: {a: '%d', b-%d: c}}", value, value), 1) + "spec: " + spec + "\n"
	}
	return files
}

// ids returns the ids of the networks, configs and secrets that madeOf makes, by the name of the manifest.
func (w *world) ids() map[string]string {
	w.Helper()
	out := map[string]string{}
	note := func(id string, labels map[string]string) {
		if _, object, ours := strings.Cut(labels[v1.LabelOwner], "/"); ours {
			_, name, _ := strings.Cut(object, "/")
			out[name] = id
		}
	}
	networks, err := w.api.NetworkList(w.Context(), client.NetworkListOptions{})
	if err != nil {
		w.Fatal(err)
	}
	for _, n := range networks.Items {
		note(n.ID, n.Labels)
	}
	configs, err := w.api.ConfigList(w.Context(), client.ConfigListOptions{})
	if err != nil {
		w.Fatal(err)
	}
	for _, c := range configs.Items {
		note(c.ID, c.Spec.Labels)
	}
	secrets, err := w.api.SecretList(w.Context(), client.SecretListOptions{})
	if err != nil {
		w.Fatal(err)
	}
	for _, s := range secrets.Items {
		note(s.ID, s.Spec.Labels)
	}
	return out
}

// Networks cannot change, nor can the content of configs and secrets. Each field of theirs is written when the object is
// made, and a change of any one makes that object again, and no other. Only labels of configs and secrets change in place.
func TestEveryFieldOfWhatIsMadeAgainIsInSync(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 0})
	r := w.repo("made", madeOf(0))
	apply := func() {
		t.Helper()
		w.want(0, "apply", "--host", w.host(), "--source", r.Dir)
		w.want(0, "diff", "--host", w.host(), "--source", r.Dir)
	}
	apply()
	before := w.ids()
	if len(before) != len(madeOf(0)) {
		t.Fatalf("of %d objects there are %v", len(madeOf(0)), before)
	}
	r.commit("another value each\n\nConsent: replace, removals", madeOf(1))
	apply()
	for name, id := range w.ids() {
		if stays := name == "config-labels" || name == "secret-labels"; (id == before[name]) != stays {
			t.Errorf("%s was made again: %t", name, id != before[name])
		}
	}
	none := map[string]string{}
	for name := range madeOf(0) {
		kind, _, _ := strings.Cut(name, "-")
		kind = strings.ToUpper(kind[:1]) + kind[1:]
		spec := "{}"
		if kind != v1.KindNetwork {
			spec = "{data: same}"
		}
		none[name] = fmt.Sprintf(head, kind, strings.TrimSuffix(name, ".yaml")) + "spec: " + spec + "\n"
	}
	r.commit("nothing but what is needed\n\nConsent: replace, removals", none)
	apply()
}

// The engine takes no labels of a network whose settings each node has. So the operator makes it without any and puts its id on
// record.
func TestANetworkTakesItsSettingsFromTheNodes(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 0})
	if _, err := w.api.NetworkCreate(w.Context(), "lan-settings", client.NetworkCreateOptions{ConfigOnly: true}); err != nil {
		t.Fatal(err)
	}
	lan := func(more string) map[string]string {
		return map[string]string{
			"lan.yaml": fmt.Sprintf(head, "Network", "lan") + "spec: {driver: macvlan, configFrom: lan-settings" + more + "}\n",
			"own.yaml": fmt.Sprintf(head, "Network", "own") + "spec: {driver: bridge" + more + "}\n",
		}
	}
	r := w.repo("lan", lan(""))
	apply := func() {
		t.Helper()
		w.want(0, "apply", "--host", w.host(), "--source", r.Dir)
		w.want(0, "diff", "--host", w.host(), "--source", r.Dir)
	}
	id := func() string {
		t.Helper()
		n, err := w.api.NetworkInspect(w.Context(), "lan", client.NetworkInspectOptions{})
		if err != nil || n.Network.ConfigFrom.Network != "lan-settings" || len(n.Network.Labels) > 0 {
			t.Fatalf("it is %+v, %v", n.Network, err)
		}
		return n.Network.ID
	}
	apply()
	first := id()
	apply()
	if id() != first {
		t.Error("it was made again, and nothing differs")
	}
	r.commit("containers may join\n\nConsent: replace", lan(", attachable: true"))
	apply()
	if id() == first {
		t.Error("it was not made again")
	}
}

// A network without labels is the source's as soon as it is made, even if the source may take over no network and apply ends
// with the run that makes it. That is also so if the operator cannot put it on record, as when it is killed.
func TestANetworkWithoutLabelsIsTheSourcesAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 0})
	if _, err := w.api.NetworkCreate(w.Context(), "lan-settings", client.NetworkCreateOptions{ConfigOnly: true}); err != nil {
		t.Fatal(err)
	}
	rules := w.path("guardrails.yaml")
	if err := os.WriteFile(rules, []byte("external: {networks: [shared]}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	lan := func(more string) string {
		return fmt.Sprintf(head, "Network", "lan") + "spec: {driver: macvlan, configFrom: lan-settings" + more + "}\n"
	}
	r := w.repo("lan", map[string]string{
		".swarm-operator.yaml": "name: lan\ndefaults: {policy: {adopt: never}}\n", "lan.yaml": lan(""), "net.yaml": network("another"),
	})
	p := w.proxy()
	apply := func(code int) result {
		t.Helper()
		return w.want(code, "apply", "--host", p.Host(), "--source", r.Dir, "--guardrails", rules)
	}
	exists := func(want bool) {
		t.Helper()
		if _, err := w.api.NetworkInspect(w.Context(), "lan", client.NetworkInspectOptions{}); (err == nil) != want {
			t.Errorf("it exists: %v, want %t", err, want)
		}
	}
	apply(0)
	r.commit("containers may join\n\nConsent: replace", map[string]string{"lan.yaml": lan(", attachable: true")})
	apply(0)
	w.want(0, "diff", "--host", w.host(), "--source", r.Dir, "--guardrails", rules)

	t.Log("it is made again, and then no memory can be written")
	var made atomic.Bool
	p.Before(func(c harness.Call) error {
		if c.Method == http.MethodPost && strings.HasPrefix(c.Path, "/networks/create") {
			made.Store(true)
		} else if made.Load() && c.Method == http.MethodPost && strings.HasPrefix(c.Path, "/configs/create") {
			return &harness.Answer{Status: http.StatusInternalServerError, Message: "the disk is full"}
		}
		return nil
	})
	r.commit("nobody joins\n\nConsent: replace", map[string]string{"lan.yaml": lan("")})
	apply(2)
	exists(true)
	p.Before(nil)
	r.commit("containers may join again\n\nConsent: replace", map[string]string{"lan.yaml": lan(", attachable: true")})
	apply(0)
	w.want(0, "diff", "--host", w.host(), "--source", r.Dir, "--guardrails", rules)

	r.remove("lan.yaml")
	r.commit(harness.Message("without it", "Consent: removals"), nil)
	apply(0)
	exists(false)
}

// elsewhere are the leaves that no table of fields has, with the scenario that is about them, or the reason.
var elsewhere = map[string]string{
	"Network spec.external":                "TestWhatANodesOwnNetworkIsInTheWayOfIsSaid",
	"Network spec.driver":                  "no swarm of the tests has another driver",
	"Network spec.ipam.driver":             "no swarm of the tests has another driver",
	"Network spec.ingress":                 "TestTheNetworkOfTheRoutingMeshIsSetUpFromGit",
	"Network spec.configFrom":              "TestANetworkTakesItsSettingsFromTheNodes",
	"Config spec.file":                     "it is content like any other: controllers/kinds and manifests",
	"Config spec.raw":                      "nothing is written",
	"Config spec.external":                 "nothing is written",
	"Secret spec.file":                     "it is content like any other: controllers/kinds and manifests",
	"Secret spec.raw":                      "nothing is written",
	"Secret spec.external":                 "nothing is written",
	"Secret spec.driver":                   "no swarm of the tests has a driver: TestNoLeafOfFreeTextAppearsInAnyOutput asks for one",
	"Secret spec.driverOpts.*":             "no swarm of the tests has a driver: TestNoLeafOfFreeTextAppearsInAnyOutput asks for one",
	"Volume spec.external":                 "nothing is written",
	"Service spec.credentialSpec.registry": "TestNoLeafOfFreeTextAppearsInAnyOutput",
	"Service metadata.labels.*":            "TestServicesOfOtherToolsAreTakenOverAndEdited",
	"Service spec.mode":                    "TestNoFieldIsLostWhenAServiceIsMadeAgain",
	"Service spec.maxConcurrent":           "TestAFieldThatNeedsANewerAPIIsRefused",
}

// typesOf returns the types of the leaves that manifests have.
func typesOf(t *testing.T, texts ...string) map[string]bool {
	t.Helper()
	tree := fstest.MapFS{}
	for i, text := range texts {
		tree[fmt.Sprintf("%d.yaml", i)] = &fstest.MapFile{Data: []byte(text)}
	}
	out := map[string]bool{}
	for i := range texts { // one at a time, because two have the same name
		name := fmt.Sprintf("%d.yaml", i)
		set, _ := manifests.NewLoader(manifests.Options{Kinds: all.Manifests()}).Load(fstest.MapFS{name: tree[name]}, ".")
		for _, e := range set.Entries {
			for _, k := range all.Kinds() {
				if k.Name == e.Object.Key().Kind {
					for _, l := range k.Shape.Flatten(e.Object) {
						out[k.Name+" "+l.Type] = true
					}
				}
			}
		}
	}
	return out
}

// Each leaf of a kind that is made, made again or written in place has a scenario that changes it alone. The settings of
// the cluster and of nodes have tests of their own, which go through them by reflection.
func TestNoFieldIsForgotten(t *testing.T) {
	var texts []string
	for value := range 2 {
		texts = append(texts, slices.Collect(maps.Values(madeOf(value)))...)
		texts = append(texts, slices.Collect(maps.Values(volumesOf(value)))...)
		for field, values := range everyField {
			texts = append(texts, service("full", "image: app:1", field+": "+values[value]))
		}
	}
	have := typesOf(t, texts...)
	for _, k := range all.Kinds() {
		if !slices.Contains([]string{v1.KindService, v1.KindNetwork, v1.KindConfig, v1.KindSecret, v1.KindVolume}, k.Name) {
			continue
		}
		for _, typ := range k.Shape.Types() {
			leaf := k.Name + " " + typ
			_, told := elsewhere[leaf]
			if have[leaf] == told {
				t.Errorf("%s is in a table of fields: %t; and a scenario or a reason is named: %t", leaf, have[leaf], told)
			}
			delete(have, leaf)
		}
	}
	for leaf, where := range elsewhere {
		kind, typ, _ := strings.Cut(leaf, " ")
		if k := slices.IndexFunc(all.Kinds(), func(k kinds.Kind) bool { return k.Name == kind }); k < 0 || !slices.Contains(all.Kinds()[k].Shape.Types(), typ) {
			t.Errorf("there is no leaf %s", leaf)
		}
		if strings.HasPrefix(where, "Test") && !slices.Contains(scenarios(), where) {
			t.Errorf("%s: there is no %s", leaf, where)
		}
	}
}
