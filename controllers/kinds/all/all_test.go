package all_test

import (
	"strconv"
	"strings"
	"testing"
	"testing/fstest"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/kinds/all"
	"github.com/swarm-operator/swarm-operator/manifests"
)

// Whoever names a part of a field that differs as a whole is told which field that is.
func TestWhichFieldIsMeantThatCanDiffer(t *testing.T) {
	const none = " names no field of a Service that can differ"
	for path, want := range map[string]string{
		"spec.ulimits.nofile":             "",
		"spec.ulimits.nofile.soft":        "spec.ulimits.nofile.soft" + none + "; did you mean spec.ulimits.nofile?",
		`spec.ulimits["no.file"].hard`:    strconv.Quote(`spec.ulimits["no.file"].hard`) + none + "; did you mean " + strconv.Quote(`spec.ulimits["no.file"]`) + "?",
		"spec.replicas.most":              "spec.replicas.most" + none + "; did you mean spec.replicas?",
		"spec.updateConfig.paralelism":    "spec.updateConfig.paralelism" + none + "; did you mean spec.updateConfig.parallelism?",
		"spec.updateConfig.coloursOfThem": "spec.updateConfig.coloursOfThem" + none,
		"spec.nothingAtAllOfThis":         "spec.nothingAtAllOfThis" + none,
	} {
		text := "apiVersion: " + v1.APIVersion + "\nkind: Service\nmetadata: {name: web}\nspec: {image: nginx}\npolicy:\n  ignoreDifferences: ['" + path + "']\n"
		_, problems := manifests.NewLoader(manifests.Options{Kinds: all.Manifests()}).Load(fstest.MapFS{"a.yaml": {Data: []byte(text)}}, ".")
		var got []string
		for _, p := range problems {
			got = append(got, p.Message)
		}
		if strings.Join(got, "\n") != want {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
}
