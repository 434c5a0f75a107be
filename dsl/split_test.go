package dsl

import (
	"fmt"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"pgregory.net/rapid"

	"github.com/ostiary/ostiary/dsl/model"
)

// split writes a model as modules: every type in a module of its own choice, with some of its relations
// in extensions elsewhere, every condition somewhere. It returns the fga.mod and the files.
func split(t *rapid.T, m *model.Model, modules int) (string, fstest.MapFS) {
	bodies := make([]strings.Builder, modules)
	where := func(label string) int { return rapid.IntRange(0, modules-1).Draw(t, label) }
	section := func(i int, head string, relations []*model.Relation) {
		bodies[i].WriteString("\n" + head + "\n")
		if len(relations) > 0 {
			bodies[i].WriteString("  relations\n")
		}
		for _, r := range relations {
			bodies[i].WriteString("    " + printDefine(r.Name, raise(r.Rewrite, r.Restrictions)) + "\n")
		}
	}
	for _, typ := range m.Types {
		home := where("home of " + typ.Name)
		parts := make([][]*model.Relation, modules)
		for _, r := range typ.Relations {
			i := where("place of " + r.Name)
			parts[i] = append(parts[i], r)
		}
		section(home, "type "+typ.Name, parts[home])
		for i, part := range parts {
			if i != home && len(part) > 0 {
				section(i, "extend type "+typ.Name, part)
			}
		}
	}
	for _, c := range m.Conditions {
		text := Print(model.New(m.Schema, nil, []*model.Condition{c}))
		_, body, _ := strings.Cut(string(text), "\n\n")
		bodies[where("place of "+c.Name)].WriteString("\n" + body)
	}
	mod, dir := "schema: '1.2'\ncontents:\n", fstest.MapFS{}
	for i := range bodies {
		name := fmt.Sprintf("module%d.fga", i)
		mod += "  - " + name + "\n"
		dir[name] = &fstest.MapFile{Data: []byte(fmt.Sprintf("module m%d\n%s", i, bodies[i].String()))}
	}
	return mod, dir
}

// sorted returns a model without origins, and with everything that has a name in its order.
func sorted(m *model.Model) *model.Model {
	m = withoutOrigins(m)
	slices.SortFunc(m.Types, func(a, b *model.Type) int { return strings.Compare(a.Name, b.Name) })
	for _, t := range m.Types {
		slices.SortFunc(t.Relations, func(a, b *model.Relation) int { return strings.Compare(a.Name, b.Name) })
	}
	slices.SortFunc(m.Conditions, func(a, b *model.Condition) int { return strings.Compare(a.Name, b.Name) })
	return model.New(model.Schema12, m.Types, m.Conditions)
}

// A model that is split into modules, anyhow, is the model that it was, and each part knows its module.
func TestSplitModels(t *testing.T) {
	var models []*model.Model
	for _, path := range files(t, "valid/*.fga") {
		m, err := Compile(filepath.Base(path), readFile(t, path))
		if err != nil {
			t.Fatal(err)
		}
		models = append(models, m)
	}
	rapid.Check(t, func(t *rapid.T) {
		m := rapid.SampledFrom(models).Draw(t, "model")
		mod, dir := split(t, m, rapid.IntRange(1, 4).Draw(t, "modules"))
		got, err := CompileModules("fga.mod", []byte(mod), dir)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(sorted(got), sorted(m)) {
			t.Fatalf("got\n%s\nwant\n%s", Print(got), Print(m))
		}
		sameJSON(t, got)
		for _, typ := range got.Types {
			if home := string(dir[typ.Origin.File].Data); !strings.Contains(home, "\ntype "+typ.Name+"\n") || !strings.HasPrefix(home, "module "+typ.Origin.Module+"\n") {
				t.Fatalf("type %s is said to be of %v", typ.Name, typ.Origin)
			}
			for _, r := range typ.Relations {
				if r.Origin.File == "" {
					continue
				}
				if home := string(dir[r.Origin.File].Data); !strings.Contains(home, "extend type "+typ.Name+"\n") || !strings.Contains(home, "define "+r.Name+":") {
					t.Fatalf("relation %s of type %s is said to be of %v", r.Name, typ.Name, r.Origin)
				}
			}
		}
	})
}
