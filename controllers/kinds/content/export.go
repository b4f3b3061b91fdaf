package content

import (
	"cmp"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/moby/moby/api/types/swarm"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/diff"
)

// inManifest is how many bytes of content stand in a manifest, if a file beside it can hold more.
const inManifest = 16 << 10

// export returns manifests of live configs or secrets. Of the versions that a source made of one manifest, it returns
// the newest one, and older ones if a service still runs with them.
func (d door) export(in kinds.Export) []kinds.Exported {
	lives := in.Lives(d.name)
	newest, taken := versions(lives)
	for _, l := range lives {
		if source, name, is := kinds.VersionOf(l); is && newest[source+"/"+name] != l && in.Uses(l) {
			taken[l.Name] = true // see below
		}
	}
	var out []kinds.Exported
	files := map[string]bool{}
	for _, l := range lives {
		source, name, is := kinds.VersionOf(l)
		x := exporting{door: d, in: in, live: l, name: l.Name, files: files}
		switch {
		case is && newest[source+"/"+name] != l:
			if !in.Uses(l) {
				continue
			}
			x.lack("", fmt.Sprintf("it is an older version of what source %s states as %s/%s, and a service still runs with it; so it has its live name here", source, d.name, name))
		case is && name != l.Name:
			x.source, x.base = source, name
			if taken[name] {
				x.base = ""
				x.lack("", fmt.Sprintf("source %s states it as %s/%s, and that is the name of another object too; so it has its live name here", source, d.name, name))
			}
		}
		out = append(out, x.exported())
	}
	return out
}

// versions returns the newest live object of each manifest of a source, by source and name, and the names that cannot
// stand for the versions of a source.
func versions(lives []*kinds.Live) (newest map[string]*kinds.Live, taken map[string]bool) {
	newest, taken = map[string]*kinds.Live{}, map[string]bool{}
	by := map[string]string{}
	for _, l := range lives {
		source, name, is := kinds.VersionOf(l)
		if !is {
			taken[l.Name] = true
			continue
		}
		if other, stated := by[name]; stated && other != source {
			taken[name] = true
		}
		by[name] = source
		at := source + "/" + name
		if old := newest[at]; old == nil || cmp.Or(l.Created.Compare(old.Created), strings.Compare(l.Name, old.Name)) > 0 {
			newest[at] = l
		}
	}
	return newest, taken
}

// exporting makes one manifest.
type exporting struct {
	door
	in   kinds.Export
	live *kinds.Live
	// name is the live name. source and base are the source that made the object and the name of its manifest there, or "".
	name, source, base string
	lacks              []kinds.Lack
	files              map[string]bool // the files beside manifests, in small letters, because some file systems know no others
}

func (x *exporting) lack(path, why string) {
	x.lacks = append(x.lacks, kinds.Lack{Path: path, Why: why})
}

func (x *exporting) exported() kinds.Exported {
	data, readable := x.shown(x.live)
	if t := templating(x.live); t != nil && len(t.Options) > 0 {
		x.lack("spec.templateDriver", "its template driver has options, which the swarm keeps and never reads, so the manifest does not state them")
	}
	switch {
	case !readable:
		return x.external([]string{
			"The swarm does not give back what is in a secret. This one must exist before a service uses it, so make it by hand:",
			"  docker secret create " + x.options() + x.name + " FILE",
			"To have the operator make it, state spec.file or spec.data in place of spec.external.",
		})
	case x.hidden: // a driver supplies the content
		out := x.manifest(cmp.Or(x.base, x.name), x.live)
		out.Object.Meta().Metadata.Labels = kinds.WithoutPrefix(x.live.Labels)
		return out
	case !x.in.Secrets && v1.SecretFile(cmp.Or(x.base, x.name), data):
		x.lack("spec.data", "its content looks as if it held a secret, so it is not written, and the manifest only says that the config exists; --with-secrets writes it")
		return x.external([]string{
			"The content looks as if it held a secret, so it is not here. This config must exist before a service uses it.",
			"A Secret is the better place for it. swarm-operator export --with-secrets writes the content nevertheless.",
		})
	}
	out := x.manifest(cmp.Or(x.base, x.name), x.live)
	spec := &out.Object.(*v1.Config).Spec
	if _, mistaken := v1.IsMistaken(data); mistaken {
		spec.Raw = true
	}
	text := utf8.Valid(data)
	var beside []byte
	switch {
	case x.in.Beside && (!text || len(data) > inManifest || unseen(data)):
		spec.File, beside = x.file(), data
	case text:
		spec.Data = v1.NewContent([]byte(string(data)))
	default:
		x.lack("spec.data", "its content is not text, so the manifest only says that the config exists; --to DIR writes it into a file")
		return x.external([]string{"The content is not text. This config must exist before a service uses it."})
	}
	out.Object.Meta().Metadata.Labels = kinds.WithoutPrefix(x.live.Labels)
	out.File, out.Content = spec.File, beside
	return out
}

// file returns the name of the file for the content. Two objects whose names differ only in case get different ones.
func (x *exporting) file() string {
	const longest = 200 // of the 255 bytes that file systems allow
	name := kinds.FileName(cmp.Or(x.base, x.name))
	name = name[:min(len(name), longest)]
	out := name + kinds.FileEnd
	for n := 2; x.files[strings.ToLower(out)]; n++ {
		out = fmt.Sprintf("%s-%d%s", name, n, kinds.FileEnd)
	}
	x.files[strings.ToLower(out)] = true
	return out
}

// template returns the driver that fills in the content where a task uses it, or "" if there is none.
func (x *exporting) template() string {
	switch o := x.normal(v1.Header{}, x.live).(type) {
	case *v1.Config:
		return o.Spec.TemplateDriver
	case *v1.Secret:
		return o.Spec.TemplateDriver
	}
	return ""
}

// templating returns what a live object says about templates, or nil.
func templating(l *kinds.Live) *swarm.Driver {
	switch o := l.Raw.(type) {
	case *swarm.Config:
		return o.Spec.Templating
	case *swarm.Secret:
		return o.Spec.Templating
	}
	return nil
}

// golang is the only template driver that the engine has. If an object names any other, the command leaves it out: an
// object's text must not become part of a command that people copy and run.
const golang = "golang"

// options returns the options of docker's command that makes the object, or "" if it needs none.
func (x *exporting) options() string {
	if x.template() == golang {
		return "--template-driver " + golang + " "
	}
	return ""
}

// external returns a manifest that says that the object exists, by its live name.
func (x *exporting) external(comment []string) kinds.Exported {
	if x.base != "" {
		comment = append(comment,
			fmt.Sprintf("Source %s made it, from its manifest of %s/%s, which has the content.", x.source, x.door.name, x.base),
			fmt.Sprintf("If these manifests take the place of that source, use its manifest instead of this one, and write %s in services that have %s.", x.base, x.name))
		x.lack("", fmt.Sprintf("source %s made it from its manifest of %s/%s, so that source would remove it if it had this manifest instead: keep that one, and write %[3]s in services that have %[4]s", x.source, x.door.name, x.base, x.name))
	} else {
		x.unstated()
	}
	out := x.manifest(x.name, nil)
	switch o := out.Object.(type) {
	case *v1.Config:
		o.Spec.External = true
	case *v1.Secret:
		o.Spec.External = true
	}
	out.Comment = comment
	return out
}

// unstated notes what a manifest that says that the object exists does not state of it besides the content.
func (x *exporting) unstated() {
	how := fmt.Sprintf("a manifest that says external does not state it; if you make the object elsewhere, give it what it has here: docker %s inspect %s", strings.ToLower(x.door.name), x.name)
	if x.template() != "" {
		x.lack("spec.templateDriver", how)
	}
	for name := range x.live.Labels {
		if !diff.NobodysLabel(name) {
			x.lack("metadata.labels", how)
			return
		}
	}
}

// manifest returns a manifest with what the engine shows of the live object besides its content. nil is no object.
func (x *exporting) manifest(name string, l *kinds.Live) kinds.Exported {
	key := v1.Key{Kind: x.door.name, Name: name}
	object := x.normal(v1.Header{APIVersion: v1.APIVersion, Kind: key.Kind, Metadata: v1.Metadata{Name: name}}, l)
	return kinds.Exported{Key: key, Object: object, Live: []*kinds.Live{x.live}, Lacks: x.lacks}
}

// unseen reports whether a text has characters that cannot be seen, so that a manifest would need escapes for them.
func unseen(data []byte) bool {
	return strings.ContainsFunc(string(data), func(r rune) bool { return r != '\n' && r != '\t' && !unicode.IsPrint(r) })
}
