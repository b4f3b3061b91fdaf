package main

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"os"
	"path"
	"runtime/debug"
	"strings"
	"time"

	cdx "github.com/CycloneDX/cyclonedx-go"
	"github.com/package-url/packageurl-go"
)

// writeSBOM lists in CycloneDX what is linked into a binary, according to the binary itself. The list has nothing of
// the machine, no random number, and no time except the commit's.
func writeSBOM(binary, to, version string, at time.Time) error {
	data, err := os.ReadFile(binary)
	if err != nil {
		return err
	}
	info, err := buildinfo.Read(bytes.NewReader(data))
	if err != nil {
		return err
	}
	main := component(cdx.ComponentTypeApplication, info.Main.Path, version)
	sum := sha256.Sum256(data)
	main.Hashes = &[]cdx.Hash{{Algorithm: cdx.HashAlgoSHA256, Value: hex.EncodeToString(sum[:])}}
	main.Properties = &[]cdx.Property{}
	for _, s := range info.Settings {
		*main.Properties = append(*main.Properties, cdx.Property{Name: "go:build:" + s.Key, Value: s.Value})
	}
	linked := []cdx.Component{component(cdx.ComponentTypeLibrary, "std", strings.TrimPrefix(info.GoVersion, "go"))}
	for _, m := range info.Deps {
		c, err := module(m)
		if err != nil {
			return fmt.Errorf("module %s: %w", m.Path, err)
		}
		linked = append(linked, c)
	}
	var refs []string
	for _, c := range linked {
		refs = append(refs, c.BOMRef)
	}
	bom := cdx.NewBOM()
	bom.Metadata = &cdx.Metadata{Timestamp: at.Format(time.RFC3339), Component: &main}
	bom.Components = &linked
	bom.Dependencies = &[]cdx.Dependency{{Ref: main.BOMRef, Dependencies: &refs}} // a binary does not say which module uses which
	var out bytes.Buffer
	if err := cdx.NewBOMEncoder(&out, cdx.BOMFileFormatJSON).SetPretty(true).SetEscapeHTML(false).EncodeVersion(bom, cdx.SpecVersion1_6); err != nil {
		return err
	}
	return os.WriteFile(to, out.Bytes(), 0o644)
}

// module returns a module with its hash. go.sum has that hash in another notation.
func module(m *debug.Module) (cdx.Component, error) {
	m = cmp.Or(m.Replace, m)
	c := component(cdx.ComponentTypeLibrary, m.Path, m.Version)
	text, ok := strings.CutPrefix(m.Sum, "h1:")
	sum, err := base64.StdEncoding.DecodeString(text)
	if !ok || err != nil || len(sum) != sha256.Size {
		return c, fmt.Errorf("%q is no hash of a module", m.Sum)
	}
	c.Hashes = &[]cdx.Hash{{Algorithm: cdx.HashAlgoSHA256, Value: hex.EncodeToString(sum)}}
	return c, nil
}

func component(kind cdx.ComponentType, name, version string) cdx.Component {
	dir, base := path.Split(name)
	purl := packageurl.NewPackageURL(packageurl.TypeGolang, strings.TrimSuffix(dir, "/"), base, version, nil, "").ToString()
	return cdx.Component{BOMRef: purl, Type: kind, Name: name, Version: version, PackageURL: purl}
}
