package main

import (
	"os"
	"path/filepath"

	"github.com/ostiary/ostiary/dsl"
	"github.com/ostiary/ostiary/dsl/gate"
	"github.com/ostiary/ostiary/dsl/model"
	"github.com/ostiary/ostiary/modeltest"
)

// compileAnnotated compiles a model file and reads what its comments say that identity providers may assign.
// Text is false of a file that is not in the modelling language, and so has no comments.
func (a *app) compileAnnotated(name string) (m *model.Model, found []dsl.Annotation, text bool, err error) {
	if modeltest.IsStoreFile(name) {
		m, err = a.compileFile(name)
		return m, nil, false, err
	}
	data, err := a.readFile(name)
	if err != nil {
		return nil, nil, false, err
	}
	switch {
	case isModFile(name):
		if m, err = a.compileFile(name); err == nil {
			found, err = moduleAnnotations(name, data)
		}
	case isModelJSON(name, data):
		m, err = dsl.CompileJSON(displayName(name), data)
		return m, nil, false, err
	default:
		if m, err = dsl.Compile(displayName(name), data); err == nil {
			found, err = dsl.Annotations(displayName(name), data)
		}
	}
	return m, found, true, err
}

func moduleAnnotations(name string, mod []byte) ([]dsl.Annotation, error) {
	root, err := os.OpenRoot(filepath.Dir(name))
	if err != nil {
		return nil, err
	}
	defer root.Close()
	return dsl.ModuleAnnotations(filepath.ToSlash(name), mod, root.FS())
}

// assignFromModel puts into a mapping what the text of a model lets identity providers assign, in the place of
// what the mapping had.
func (a *app) assignFromModel(mapping *gate.Mapping, name string) error {
	m, found, text, err := a.compileAnnotated(name)
	if err != nil {
		return err
	}
	if !text {
		return usagef("%s is not in the modelling language, and has no comments: give the .fga file or the fga.mod that it was made of", displayName(name))
	}
	mapping.Assignable, err = dsl.Assignables(found, m, &mapping.Names)
	return err
}

// printAssignable lists what can be assigned.
func (a *app) printAssignable(all []gate.Assignable) {
	for _, entry := range all {
		a.printf("%s %s#%s (%s: %s)", entry.Kind, entry.Type, entry.Relation, entry.TypeLabel, entry.Label)
	}
}
