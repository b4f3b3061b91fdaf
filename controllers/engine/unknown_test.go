package engine

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/api/types/swarm"
)

type inner struct {
	A int
	B *inner
}

type custom struct{}

func (*custom) UnmarshalJSON([]byte) error { return nil }

type embedded struct {
	inner
	*swarm.Meta
	Named inner `json:"named"`
}

type outer struct {
	embedded
	Hidden  string `json:"-"`
	Dash    string `json:"-,"` //nolint:staticcheck // SA5008: the key "-" is what is tested
	private string
	List    []inner
	Map     map[string]inner
	Any     any
	Raw     json.RawMessage
	Custom  custom
	When    time.Time
	Bytes   []byte
	Ports   [2]inner
	Addr    netip.Addr
	Addrs   []netip.Addr
	Ranges  map[string]*netip.Prefix
	A       string // hides the embedded A
}

func TestUnknownFields(t *testing.T) {
	_ = outer{}.private
	for _, tt := range []struct {
		doc  string
		into any
		want string
	}{
		{`{}`, outer{}, ``},
		{`null`, outer{}, ``},
		{` { "List" : [ { "A" : 1 } , { "A" : 2 , "Z" : 3 } ] } `, &outer{}, `List[1].Z`},
		{`{"list":[{"a":1}],"NAMED":{"b":{"b":{"q":1}}}}`, outer{}, `NAMED.b.b.q`},
		{`{"Hidden":"x"}`, outer{}, `Hidden`},
		{`{"-":"x"}`, outer{}, ``},
		{`{"private":"x"}`, outer{}, `private`},
		{`{"embedded":{}, "inner":{}}`, outer{}, `embedded inner`},
		{`{"A":"x","B":{"A":1},"Version":{"Index":1},"CreatedAt":"2026-01-01T00:00:00Z"}`, outer{}, ``},
		{`{"Map":{"x":{"A":1},"a.b":{"N":1},"":{"N":1}}}`, outer{}, `Map[""].N Map["a.b"].N`},
		{`{"Any":{"x":[{"y":1}]},"Raw":{"x":1},"Custom":{"x":{"y":2}}}`, outer{}, ``},
		{`{"When":"2026-01-01T00:00:00Z","Bytes":"aGk=","Ports":[{"A":1},{"Z":1}]}`, outer{}, `Ports[1].Z`},
		{`{"A":{"deep":{"er":1}},"List":{"x":1},"Named":[1,[2,{"x":3}]]}`, outer{}, `A List Named`},
		{`{"Unknown":{"Deeper":{"A":1}},"Other":[[],{},"}",-1.5e3,true,false,null]}`, outer{}, `Other Unknown`},
		{`{"We\u0069rd\n":1,"\u0041":"known","q\"uote":2}`, outer{}, "Weird\n [\"q\\\"uote\"]"},
		{`{"Key":"a \" } ] , brace { in a string \\"}`, struct{ Key string }{}, ``},
		{`{"Kelvin":1}`, struct{ Kelvin int }{}, ``},
		{`{"\u212Aelvin":1}`, struct{ Kelvin int }{}, ``}, // the Kelvin sign folds to k
		{`[{"A":1},{"Q":1}]`, []inner{}, `[1].Q`},
		{`{"Addr":"10.0.0.1","Addrs":["fd00::1","\u0031.1.1.1"],"Ranges":{"a":"10.0.0.0/8","b":null,"c":""}}`, outer{}, ``},
		{`{"Addr":"fd00::1/64","Addrs":["pihole","1.1.1.1",""],"Ranges":{"a":"10.0.0.0"},"Nope":1}`, outer{}, `Addr Addrs[0] Addrs[2] Nope Ranges.a`},
		{`{"Addr":{"x":1}}`, outer{}, `Addr`},
		{`{"x":1}`, nil, ``},
		{`5`, inner{}, ``},
	} {
		if got := unknownKeys([]byte(tt.doc), tt.into); strings.Join(got, " ") != sorted(tt.want) {
			t.Errorf("%s into %T: %q, want %q", tt.doc, tt.into, got, tt.want)
		}
	}
}

func TestWhatATypeDoesNotReadIsLeftOut(t *testing.T) {
	for doc, want := range map[string]struct{ out, unread string }{
		`{"Addr":"10.0.0.1","Addrs":["pihole","1.1.1.1"],"A":"x"}`:      {"10.0.0.1 [invalid IP 1.1.1.1] x", "Addrs[0]"},
		`{"Addrs":["1.1.1.1"],"Addr":"fd00::1/64","A":"x"}`:             {"invalid IP [1.1.1.1] x", "Addr"},
		`{"Addrs":["1.1.1.1",""],"Addr":"10.0.0.1","A":"x"}`:            {"10.0.0.1 [1.1.1.1 invalid IP] x", ""},
		`{"Addrs":["\u00fc","a\"b"],"Ranges":{"a":"1"},"A":"\"pihole"}`: {`invalid IP [invalid IP invalid IP] "pihole`, "Addrs[0] Addrs[1] Ranges.a"},
	} {
		o := outer{A: "before"}
		unread, err := unmarshal([]byte(doc), &o)
		if got := fmt.Sprintf("%v %v %v", o.Addr, o.Addrs, o.A); err != nil || got != want.out || strings.Join(unread, " ") != want.unread {
			t.Errorf("%s: %s, unread %q, %v", doc, got, unread, err)
		}
	}
	for _, doc := range []string{`{"Addr":5}`, `{"Addr":"pihole","List":7}`, `{"Addr":"pihole"`, ``} {
		if _, err := unmarshal([]byte(doc), new(outer)); err == nil {
			t.Errorf("%q is decoded", doc)
		}
	}
}

func sorted(s string) string {
	all := strings.Split(s, " ")
	slices.Sort(all)
	return strings.Join(all, " ")
}

func TestOnlyUnknownFieldsOfTheSpecAreReturned(t *testing.T) {
	doc := `{"ID":"x","NewState":{"a":1},"PreviousSpec":{"New":1,"TaskTemplate":{"ContainerSpec":{"DNSConfig":{"Nameservers":["before"]}}}},"Endpoint":{"New":1},
		"Spec":{"Name":"web","NewTop":1,"TaskTemplate":{"ContainerSpec":{"Image":"a","DNSConfig":{"Nameservers":["10.0.0.1","p\u00efhole",""]},"NewField":{"x":1},"Mounts":[{"Type":"bind","NewOption":1}]}}}}`
	got, unread := unknownInSpec([]byte(doc), swarm.Service{})
	const dns = "Spec.TaskTemplate.ContainerSpec.DNSConfig.Nameservers"
	if texts := []Unread{{dns + "[1]", "p\u00efhole"}, {dns + "[2]", ""}}; !slices.Equal(unread, texts) {
		t.Errorf("no addresses are %q, want %q", unread, texts)
	}
	want := []string{"Spec.NewTop", dns + "[1]", dns + "[2]", "Spec.TaskTemplate.ContainerSpec.Mounts[0].NewOption", "Spec.TaskTemplate.ContainerSpec.NewField"}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// Every key that these types write is a key that they know. The walker visits every leaf of what the package reads.
func TestNoKeyOfOurOwnIsUnknown(t *testing.T) {
	for _, v := range []any{&swarm.Service{}, &swarm.Node{}, &swarm.Swarm{}, &swarm.Task{}, &swarm.Config{}, &swarm.Secret{}} {
		fill(reflect.ValueOf(v).Elem(), 0)
		raw, err := json.Marshal(v)
		if err != nil {
			t.Fatalf("%T: %v", v, err)
		}
		if got := unknownKeys(raw, v); len(got) > 0 {
			t.Errorf("%T: %q", v, got)
		}
	}
}

// fill gives every field a value.
func fill(v reflect.Value, depth int) {
	if depth > 12 || v.Type() == reflect.TypeFor[time.Time]() {
		return
	}
	switch v.Addr().Interface().(type) {
	case *netip.Addr:
		v.Set(reflect.ValueOf(netip.MustParseAddr("10.0.0.1")))
		return
	case *netip.Prefix:
		v.Set(reflect.ValueOf(netip.MustParsePrefix("10.0.0.0/8")))
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), depth+1)
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Field(i).CanSet() {
				fill(v.Field(i), depth+1)
			}
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0), depth+1)
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		e := reflect.New(v.Type().Elem()).Elem()
		fill(e, depth+1)
		v.SetMapIndex(reflect.ValueOf("k").Convert(v.Type().Key()), e)
	case reflect.String:
		v.SetString("x")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		v.SetInt(1)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		v.SetUint(1)
	case reflect.Float32, reflect.Float64:
		v.SetFloat(1)
	}
}

// encoding/json decides: a document that decodes has an unknown key exactly if DisallowUnknownFields refuses it.
func FuzzUnknownFields(f *testing.F) {
	f.Add(`{"Spec":{"TaskTemplate":{"ContainerSpec":{"Image":"a","New":1}}}}`)
	f.Add(`{"iD":"x","spec":{"labels":{"a.b":"c"},"mode":{"replicated":{"replicas":1}}}}`)
	f.Add(`{"Spec":{"EndpointSpec":{"Ports":[{"TargetPort":80,"new\u0041":[{}]}]}}}`)
	f.Add(`{"\u017Fpec":{"\u212A":1}}`)
	f.Fuzz(func(t *testing.T, doc string) {
		var s swarm.Service
		if json.Unmarshal([]byte(doc), &s) != nil {
			return // the caller's decoding fails too: the document is not valid, or has a value of another type
		}
		got := unknownKeys([]byte(doc), swarm.Service{})
		strict := json.NewDecoder(strings.NewReader(doc))
		strict.DisallowUnknownFields()
		got = slices.DeleteFunc(got, func(path string) bool { return strings.Contains(path, "Nameservers[") }) // an empty one, which we name and it reads
		if refused := strict.Decode(new(swarm.Service)); (refused != nil) != (len(got) > 0) {
			t.Errorf("%q: we name %q, encoding/json says %v", doc, got, refused)
		}
	})
}

// encoding/json decides here too.
func FuzzSplit(f *testing.F) {
	for _, doc := range []string{`[]`, ` [ {"a":"]}\",["} , 5,"x" ] `, `[[1],[2,[3]]]`, `[,]`, `[1,]`, `["`, `[1]2`, `{"a":[1]}`, `[1}`, ` null `, "[]\v", "[\f]"} {
		f.Add(doc)
	}
	f.Fuzz(func(t *testing.T, doc string) {
		var want []json.RawMessage
		isArray := json.Unmarshal([]byte(doc), &want) == nil
		got, err := split([]byte(doc))
		valid := err == nil
		for _, e := range got {
			valid = valid && json.Valid(e)
		}
		if valid != isArray {
			t.Fatalf("%q: %v (%v), encoding/json: %v", doc, valid, err, isArray)
		}
		for i := range want {
			if strings.TrimSpace(string(got[i])) != string(want[i]) {
				t.Fatalf("%q: element %d is %q, want %q", doc, i, got[i], want[i])
			}
		}
	})
}
