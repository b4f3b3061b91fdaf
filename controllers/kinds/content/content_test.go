package content

import (
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"

	"github.com/moby/moby/api/types/swarm"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/engine"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/test/leaves"
)

// Nothing that the engine keeps of configs and secrets is left out.
func TestEveryLeafOfTheEngineIsDecidedOn(t *testing.T) {
	const made, options = "never: it is the name of the version", "never: golang, the one template driver, has no options (template/expand.go of SwarmKit)"
	leaves.Decided[swarm.ConfigSpec](t, v1.KindConfig, map[string]string{
		"Annotations.Name": made, "Annotations.Labels": "metadata.labels.*", "Data[]": "spec.data", "Templating.Name": "spec.templateDriver", "Templating.Options": options,
	}, Config().Rules)
	leaves.Decided[swarm.SecretSpec](t, v1.KindSecret, map[string]string{
		"Annotations.Name": made, "Annotations.Labels": "metadata.labels.*", "Data[]": "spec.data", "Templating.Name": "spec.templateDriver", "Templating.Options": options,
		"Driver.Name": "spec.driver", "Driver.Options": "spec.driverOpts.*",
	}, Secret().Rules)
}

// The rules are total, and there are none of leaves that manifests do not have.
func TestEveryLeafOfTheManifestHasARule(t *testing.T) {
	for _, k := range []kinds.Kind{Config(), Secret()} {
		have := map[string]bool{"spec.data": true} // content is no leaf
		for _, typ := range k.Shape.Types() {
			if have[typ] = true; k.Rules[typ].Effect == 0 {
				t.Errorf("%s of a %s has no rule", typ, k.Name)
			}
		}
		for typ := range k.Rules {
			if !have[typ] {
				t.Errorf("a %s has no leaf %s", k.Name, typ)
			}
		}
	}
}

// What is made is read back as it was wanted.
func TestWhatIsSent(t *testing.T) {
	var body string
	t.Setenv("DOCKER_CONFIG", t.TempDir())
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		body = string(b)
		w.Header().Set("Api-Version", "1.44")
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusCreated)
		_, _ = io.WriteString(w, `{"ID": "new"}`)
	}))
	defer srv.Close()
	c, err := engine.Open(engine.Options{Host: "tcp://" + srv.Listener.Addr().String()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	data := v1.NewContent([]byte("x"))
	for _, test := range []struct {
		d    door
		want v1.ContentHolder
		sent string
	}{
		{configs, &v1.Config{Spec: v1.ContentSpec{Data: data}}, `{"Name":"n","Labels":null,"Data":"eA=="}`},
		{configs, &v1.Config{Spec: v1.ContentSpec{Data: data, TemplateDriver: "golang"}}, `{"Name":"n","Labels":null,"Data":"eA==","Templating":{"Name":"golang"}}`},
		{secrets, &v1.Secret{Spec: v1.SecretSpec{Data: data, TemplateDriver: "golang"}}, `{"Name":"n","Labels":null,"Data":"eA==","Templating":{"Name":"golang"}}`},
		{secrets, &v1.Secret{Spec: v1.SecretSpec{Driver: "vault", DriverOpts: map[string]string{"a": "1"}}}, `{"Name":"n","Labels":null,"Driver":{"Name":"vault","Options":{"a":"1"}}}`},
		{secrets, &v1.Secret{Spec: v1.SecretSpec{Driver: "vault", TemplateDriver: "golang"}}, `{"Name":"n","Labels":null,"Driver":{"Name":"vault"},"Templating":{"Name":"golang"}}`},
	} {
		if id, err := test.d.Create(t.Context(), c, swarm.Annotations{Name: "n"}, test.want); err != nil || id != "new" || strings.TrimSpace(body) != test.sent {
			t.Errorf("it is made with\n%s, want\n%s\n%v", body, test.sent, err)
		}
	}
}

func TestNormalForm(t *testing.T) {
	driver := &swarm.Driver{Name: "vault", Options: map[string]string{"a": "1"}}
	template := &swarm.Driver{Name: "golang"}
	for _, test := range []struct {
		d    door
		raw  any
		want v1.Object
	}{
		{configs, &swarm.Config{}, &v1.Config{}},
		{configs, &swarm.Config{Spec: swarm.ConfigSpec{Templating: template}}, &v1.Config{Spec: v1.ContentSpec{TemplateDriver: "golang"}}},
		{secrets, &swarm.Secret{}, &v1.Secret{}},
		{secrets, &swarm.Secret{Spec: swarm.SecretSpec{Templating: template, Driver: driver}}, &v1.Secret{Spec: v1.SecretSpec{TemplateDriver: "golang", Driver: "vault", DriverOpts: map[string]string{"a": "1"}}}},
	} {
		l := &kinds.Live{Raw: test.raw}
		if got := test.d.normal(v1.Header{}, l); !reflect.DeepEqual(got, test.want) {
			t.Errorf("it is %+v, want %+v", got, test.want)
		}
		if got := test.d.settings(l); got != test.want.(v1.ContentHolder).Settings() {
			t.Errorf("its settings are %s", got)
		}
	}
	if _, readable := secrets.shown(&kinds.Live{Raw: &swarm.Secret{}}); readable {
		t.Error("the content of a secret can be read")
	}
	if data, readable := secrets.shown(&kinds.Live{Raw: &swarm.Secret{Spec: swarm.SecretSpec{Driver: driver}}}); !readable || len(data) > 0 {
		t.Error("a secret that a driver supplies has content")
	}
}
