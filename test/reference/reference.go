// Package reference writes pages about types and their fields from the comments in their code.
package reference

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"reflect"
	"strings"
	"testing"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
)

// Section writes a heading, what the type is, and a table of its fields. path is the path of the type's value; it is "" if
// the type is the whole file.
func Section(b *strings.Builder, docs map[string]string, title, path string, typ reflect.Type) {
	fmt.Fprintf(b, "\n## %s\n\n%s\n\n| field | type | meaning |\n|---|---|---|\n", title, docs[strings.ToUpper(title[:1])+title[1:]])
	rows(b, docs, path, typ)
}

func rows(b *strings.Builder, docs map[string]string, path string, typ reflect.Type) {
	for i := range typ.NumField() {
		f := typ.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "" {
			continue
		}
		t, suffix := f.Type, ""
		for t.Kind() == reflect.Pointer {
			t = t.Elem()
		}
		word := Word(t)
		switch {
		case t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Struct:
			t, suffix = t.Elem(), "[]"
		case t.Kind() == reflect.Map && t.Elem().Kind() == reflect.Struct:
			t, suffix = t.Elem(), ".NAME"
		}
		field := strings.TrimPrefix(path+"."+name, ".") + suffix
		fmt.Fprintf(b, "| `%s` | %s | %s |\n", field, word, Meaning(docs, typ, f))
		if t.Kind() == reflect.Struct && t != reflect.TypeFor[v1.Content]() {
			rows(b, docs, field, t)
		}
	}
}

// Meaning returns the comment of a field, as sentences about the field under the name that files have for it. It is ""
// if the comment does not begin with the field's name, because the sentence would then have no subject.
func Meaning(docs map[string]string, typ reflect.Type, f reflect.StructField) string {
	rest, is := strings.CutPrefix(docs[typ.Name()+"."+f.Name], f.Name+" ")
	if !is {
		return ""
	}
	name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	return "`" + name + "` " + rest
}

// Word says what a field holds.
func Word(t reflect.Type) string {
	switch t {
	case reflect.TypeFor[v1.Duration]():
		return "duration"
	case reflect.TypeFor[v1.Bytes]():
		return "size"
	case reflect.TypeFor[v1.Swap]():
		return "size or -1"
	case reflect.TypeFor[v1.CPUs]():
		return "CPUs"
	case reflect.TypeFor[v1.FileMode]():
		return "octal mode"
	case reflect.TypeFor[v1.Ratio]():
		return "fraction"
	case reflect.TypeFor[v1.StringList](), reflect.TypeFor[v1.HealthTest](), reflect.TypeFor[v1.Texts]():
		return "list or string"
	case reflect.TypeFor[v1.Environment](), reflect.TypeFor[v1.ExtraHosts](), reflect.TypeFor[v1.Sysctls]():
		return "map or list"
	case reflect.TypeFor[v1.Content]():
		return "string"
	case reflect.TypeFor[v1.Ulimit]():
		return "number or object"
	}
	switch t.Kind() {
	case reflect.Slice:
		return "list"
	case reflect.Map:
		return "map"
	case reflect.Struct:
		return "object"
	case reflect.Bool:
		return "true or false"
	case reflect.String:
		return "string"
	default:
		return "number"
	}
}

// Comments returns the comments of the structs in Go files, by TypeName, and of their fields, by TypeName.FieldName. Each
// is one line, and fits into a table of Markdown.
func Comments(t *testing.T, files ...string) map[string]string {
	t.Helper()
	docs := map[string]string{}
	fset := token.NewFileSet()
	for _, file := range files {
		f, err := parser.ParseFile(fset, file, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Decls {
			g, ok := d.(*ast.GenDecl)
			if !ok || g.Tok != token.TYPE {
				continue
			}
			for _, s := range g.Specs {
				ts := s.(*ast.TypeSpec)
				st, ok := ts.Type.(*ast.StructType)
				if !ok {
					continue
				}
				docs[ts.Name.Name] = oneLine(g.Doc)
				for _, field := range st.Fields.List {
					for _, n := range field.Names {
						docs[ts.Name.Name+"."+n.Name] = oneLine(field.Doc)
					}
				}
			}
		}
	}
	return docs
}

func oneLine(c *ast.CommentGroup) string {
	text := strings.Join(strings.Fields(c.Text()), " ")
	return strings.ReplaceAll(text, "|", "\\|")
}
