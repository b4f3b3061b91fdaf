package v1

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
)

// These are the engine's limits on content, in bytes.
const (
	MaxConfigSize = 1000*1024 - 1
	MaxSecretSize = 500*1024 - 1
)

// Config is a file that services mount. Its content is immutable in a swarm. If the content changes, the operator
// makes a new version under a new name and switches the services over.
type Config struct {
	Header
	Spec ContentSpec `json:"spec"`
}

// Secret is a Config whose content the engine never gives back. A driver may supply the content instead.
type Secret struct {
	Header
	Spec SecretSpec `json:"spec"`
}

// ContentSpec says where content comes from. Exactly one of Data, File and External is stated.
type ContentSpec struct {
	// Data is the content itself, at most 1,023,999 bytes for a Config and 511,999 bytes for a Secret.
	Data Content `json:"data,omitzero"`
	// File is a path in the repository, relative to the manifest.
	File string `json:"file,omitempty"`
	// Raw says that the content is meant as it is, even if it looks like a mistake. Without it, the operator refuses
	// content that looks like a pointer of Git LFS or git-annex, or like a merge conflict. It also refuses
	// content that SOPS, age, git-crypt, PGP or ansible-vault seems to have encrypted. Default false.
	Raw bool `json:"raw,omitempty"`
	// External says that a config or secret of exactly this name exists and does not belong to the operator.
	External bool `json:"external,omitempty"`
	// TemplateDriver is golang if the swarm fills in templates such as {{.Service.Name}} when a container mounts the
	// content. If omitted, the content stays as it is.
	TemplateDriver string `json:"templateDriver,omitempty"`
}

// SecretSpec says where the content of a secret comes from. Exactly one of Data, File, External and Driver is stated.
type SecretSpec struct {
	// Data is the content itself, at most 511,999 bytes.
	Data Content `json:"data,omitzero"`
	// File is a path in the repository, relative to the manifest.
	File string `json:"file,omitempty"`
	// Raw says that the content is meant as it is, even if it looks like a mistake. Without it, the operator refuses
	// content that looks like a pointer of Git LFS or git-annex, or like a merge conflict. It also refuses
	// content that SOPS, age, git-crypt, PGP or ansible-vault seems to have encrypted. Default false.
	Raw bool `json:"raw,omitempty"`
	// External says that a secret of exactly this name exists and does not belong to the operator.
	External bool `json:"external,omitempty"`
	// TemplateDriver is golang if the swarm fills in templates such as {{.Service.Name}} when a container mounts the
	// content. If omitted, the content stays as it is.
	TemplateDriver string `json:"templateDriver,omitempty"`
	// Driver is the name of a secret driver: an engine plugin of the managers, which supplies the content for each
	// task. It must be installed before the secret is made.
	Driver string `json:"driver,omitempty"`
	// DriverOpts are options of the secret driver.
	DriverOpts map[string]string `json:"driverOpts,omitempty"`
}

// stated returns what secrets have in common with configs.
func (s SecretSpec) stated() ContentSpec {
	return ContentSpec{Data: s.Data, File: s.File, Raw: s.Raw, External: s.External, TemplateDriver: s.TemplateDriver}
}

// ContentFile is implemented by objects whose content may be in a file of the repository.
type ContentFile interface {
	// ContentFile returns the path as stated and the field that states it. name is "" if the object states no file.
	ContentFile() (name, field string)
	// SetContent gives the object the file's content.
	SetContent([]byte)
	// MaxContent is the engine's limit in bytes.
	MaxContent() int
	// Raw reports whether the content is meant as it is, whatever it looks like.
	Raw() bool
}

// ContentHolder is an object that consists mostly of content.
type ContentHolder interface {
	Content() Content
	// Settings returns a text that says how the swarm uses the content, or where it gets it from. It is "" if it uses
	// the content as it is. Like the content, it cannot change.
	Settings() string
}

// Settings returns the template driver.
func (c *Config) Settings() string { return c.Spec.TemplateDriver }

// Settings returns the template driver, and what the secret driver is told if there is one.
func (c *Secret) Settings() string {
	s := c.Spec
	if s.Driver == "" {
		return s.TemplateDriver
	}
	var options map[string]string
	if len(s.DriverOpts) > 0 {
		options = s.DriverOpts
	}
	b, err := json.Marshal([]any{s.TemplateDriver, s.Driver, options}) // maps are sorted by their keys
	if err != nil {
		panic(fmt.Sprintf("writing the settings of a secret: %v", err)) // they are texts
	}
	return string(b)
}

// Content returns what the manifest states or what its file holds.
func (c *Config) Content() Content { return c.Spec.Data }

// Content returns what the manifest states or what its file holds.
func (c *Secret) Content() Content { return c.Spec.Data }

// External reports whether the object must exist already and is never written.
func (c *Config) External() bool { return c.Spec.External }

// External reports whether the object must exist already and is never written.
func (c *Secret) External() bool { return c.Spec.External }

// Refs returns the dependencies.
func (c *Config) Refs() []Ref { return c.dependencies() }

// Refs returns the dependencies.
func (c *Secret) Refs() []Ref { return c.dependencies() }

// ContentFile returns spec.file.
func (c *Config) ContentFile() (name, field string) { return c.Spec.File, "spec.file" }

// ContentFile returns spec.file.
func (c *Secret) ContentFile() (name, field string) { return c.Spec.File, "spec.file" }

// SetContent sets spec.data.
func (c *Config) SetContent(b []byte) { c.Spec.Data = NewContent(b) }

// SetContent sets spec.data.
func (c *Secret) SetContent(b []byte) { c.Spec.Data = NewContent(b) }

// MaxContent returns the engine's limit in bytes.
func (c *Config) MaxContent() int { return MaxConfigSize }

// MaxContent returns the engine's limit in bytes.
func (c *Secret) MaxContent() int { return MaxSecretSize }

// Raw returns spec.raw.
func (c *Config) Raw() bool { return c.Spec.Raw }

// Raw returns spec.raw.
func (c *Secret) Raw() bool { return c.Spec.Raw }

// Copy returns a deep copy.
func (c *Config) Copy() Object {
	return &Config{Header: c.Header.copy(), Spec: c.Spec.copy()}
}

// Copy returns a deep copy.
func (c *Secret) Copy() Object {
	s := &Secret{Header: c.Header.copy(), Spec: c.Spec}
	s.Spec.Data, s.Spec.DriverOpts = NewContent(slices.Clone(s.Spec.Data.data)), maps.Clone(s.Spec.DriverOpts)
	return s
}

func (s ContentSpec) copy() ContentSpec {
	s.Data = NewContent(slices.Clone(s.Data.data))
	return s
}

// Default keeps only the content and how it is used, which are compared. Where the content comes from is not compared.
func (c *Config) Default() { c.Spec = c.Spec.normal() }

// Default keeps only the content, how it is used and the driver, which are compared. Where the content comes from
// otherwise is not compared.
func (c *Secret) Default() {
	s := c.Spec
	c.Spec = SecretSpec{Data: s.Data, TemplateDriver: s.TemplateDriver, Driver: s.Driver, DriverOpts: s.DriverOpts}
}

func (s ContentSpec) normal() ContentSpec {
	return ContentSpec{Data: s.Data, TemplateDriver: s.TemplateDriver}
}

// Validate checks the name, the source of the content and its size.
func (c *Config) Validate() []Problem {
	ps := c.validateHeader(nameFile)
	ps.content(c.Spec, MaxConfigSize, "configs")
	return ps
}

// Validate checks the name, the source of the content and its size.
func (c *Secret) Validate() []Problem {
	ps := c.validateHeader(nameFile)
	if s := c.Spec; s.Driver != "" {
		ps.secretDriver(s)
	} else {
		if len(s.DriverOpts) > 0 {
			ps.add("spec.driverOpts", "are options of a secret driver, and there is none: state spec.driver, or remove them")
		}
		ps.content(s.stated(), MaxSecretSize, "secrets")
	}
	return ps
}

// secretDriver checks a secret whose content a driver supplies.
func (ps *problems) secretDriver(s SecretSpec) {
	for _, other := range []struct {
		name string
		is   bool
	}{{"data", !s.Data.IsZero()}, {"file", s.File != ""}, {"external", s.External}, {"raw", s.Raw}} {
		if other.is {
			ps.add("spec."+other.name, "cannot be stated with driver: the secret driver %s supplies the content", s.Driver)
		}
	}
	ps.names("spec.driverOpts", s.DriverOpts)
}

func (ps *problems) content(s ContentSpec, limit int, plural string) {
	stated := 0
	for _, is := range []bool{!s.Data.IsZero(), s.File != "", s.External} {
		if is {
			stated++
		}
	}
	// A file's content may already have been read into data.
	if s.File != "" && !s.Data.IsZero() {
		stated--
	}
	switch {
	case stated == 0:
		ps.add("spec", "states no content: one of data, file and external is needed")
	case stated > 1:
		ps.add("spec", "states more than one of data, file and external")
	case !s.Data.IsZero() && s.Data.Len() == 0:
		ps.add("spec.data", "is empty; the engine takes no empty %s", plural)
	case s.Data.Len() > limit:
		ps.add("spec.data", "has %d bytes; the engine's limit for %s is %d", s.Data.Len(), plural, limit)
	}
	if s.TemplateDriver != "" && s.External {
		ps.add("spec.templateDriver", "cannot be stated with external: external %s stay as they are", plural)
	}
	if s.Raw && s.External {
		ps.add("spec.raw", "cannot be stated with external: the content of external %s is not looked at", plural)
	}
	if s.File != "" { // the reader of the file checks its content
		return
	}
	if m, is := IsMistaken(s.Data.data); is && !s.Raw {
		ps.add("spec.data", "%s", m.Why())
	}
}
