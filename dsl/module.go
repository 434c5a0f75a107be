package dsl

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"

	"github.com/ostiary/ostiary/dsl/model"
)

// MaxModuleFiles bounds the files of a modular model.
const MaxModuleFiles = 256

// CompileModules returns the model that an fga.mod and the modules it lists describe. The name and the
// text of the fga.mod are given; modules are read from dir, the folder that holds it, and never from
// outside. Modules are named in diagnostics by their path beside the fga.mod. The error is always
// Diagnostics: the faults of all files, in the order of the fga.mod.
//
// Types, relations of extensions and conditions carry their origin. Relations of extensions follow the
// type's own, in the order of the files. MaxModelBytes bounds all files together.
func CompileModules(file string, mod []byte, dir fs.FS) (*model.Model, error) {
	src, r, ok := open(file, mod, MaxModelBytes)
	if !ok {
		return nil, r.err()
	}
	version, contents := readMod(src, r)
	modules := readModules(src, r, contents, dir)
	complete := r.empty() // else a name may be declared in a file that could not be read
	names, texts := []string{src.file}, [][]byte{[]byte(src.text)}
	for _, module := range modules {
		names, texts = append(names, moduleName(file, module.name)), append(texts, module.text)
	}
	whole := join(names, texts)
	r.src = whole

	m := &merger{report: r, out: &document{schema: version}, types: map[string]*typeDecl{}}
	for i, module := range modules {
		part := whole.module(i + 1)
		if isUTF8(part, r) {
			if parsed, ok := read(part, r, formModule); ok {
				m.take(parsed.doc, module.name)
				continue
			}
		}
		complete = false
	}
	if complete {
		m.extend(whole)
		c := newChecker(whole, r, m.out)
		c.authoring = true
		c.check()
	}
	if !r.empty() {
		return nil, r.err()
	}
	return lower(m.out), nil
}

// ModuleFiles returns the files that an fga.mod lists, as it lists them, cleaned. The error is
// Diagnostics.
func ModuleFiles(file string, mod []byte) ([]string, error) {
	src, r, ok := open(file, mod, MaxModelBytes)
	if !ok {
		return nil, r.err()
	}
	_, contents := readMod(src, r)
	if !r.empty() {
		return nil, r.err()
	}
	names := make([]string, len(contents))
	for i, c := range contents {
		names[i] = path.Clean(c.text)
	}
	return names, nil
}

// moduleName is how diagnostics name a module: by its path from where the fga.mod is named from.
func moduleName(mod, name string) string {
	dir, _ := path.Split(mod)
	return dir + name
}

// moduleFile is a file that an fga.mod lists, by its clean path.
type moduleFile struct {
	name string
	text []byte
}

func readModules(src *source, r *report, contents []ident, dir fs.FS) []moduleFile {
	var out []moduleFile
	left := int64(MaxModelBytes)
	for _, c := range contents {
		name := path.Clean(c.text)
		text, err := readModule(dir, name, left)
		if errors.Is(err, errTooLarge) {
			r.add(fault{code: codeTooLarge, at: c.at,
				message:    fmt.Sprintf("with %s the modules have more than %d bytes", quote(c.text), MaxModelBytes),
				suggestion: "the files of a model together have at most that many (MaxModelBytes)"})
			return out
		}
		if err != nil {
			var pathError *fs.PathError
			if errors.As(err, &pathError) {
				err = pathError.Err
			}
			r.add(fault{code: codeModuleFile, at: c.at, message: fmt.Sprintf("cannot read %s: %v", quote(c.text), err),
				suggestion: "a module is a file in the folder of the `fga.mod`, or below it"})
			continue
		}
		left -= int64(len(text))
		out = append(out, moduleFile{name, bytes.TrimPrefix(text, []byte("\xEF\xBB\xBF"))})
	}
	return out
}

var errTooLarge = errors.New("too large")

func readModule(dir fs.FS, name string, limit int64) ([]byte, error) {
	file, err := dir.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	if info, err := file.Stat(); err != nil {
		return nil, err
	} else if !info.Mode().IsRegular() {
		return nil, errors.New("it is not a regular file")
	}
	text, err := io.ReadAll(io.LimitReader(file, limit+1))
	if err == nil && int64(len(text)) > limit {
		err = errTooLarge
	}
	return text, err
}

// merger puts the documents of modules together.
type merger struct {
	report     *report
	out        *document
	types      map[string]*typeDecl // by name; the first of two
	extensions []*typeDecl
}

// take adds the types and conditions of one module, and keeps its extensions for later.
func (m *merger) take(doc *document, file string) {
	origin := model.Origin{Module: doc.module.text, File: file}
	if doc.module.text != "" {
		if f, bad := nameFault("module", doc.module.text, doc.module.at); bad {
			m.report.add(f)
		}
	}
	here := map[string]*typeDecl{}
	for _, t := range doc.types {
		t.origin = origin
		if first := here[t.name.text]; t.extends && first != nil || first != nil && first.extends {
			message := fmt.Sprintf("type %s is extended twice in one file", quote(t.name.text))
			if !first.extends || !t.extends {
				message = fmt.Sprintf("type %s is both declared and extended in one file", quote(t.name.text))
			}
			m.report.add(fault{code: codeDuplicateExtension, at: t.name.at, message: message,
				suggestion: fmt.Sprintf("put all its relations below %s", m.report.src.lineSeen(first.name.at, t.name.at))})
		} else if first == nil {
			here[t.name.text] = t
		}
		if t.extends {
			m.extensions = append(m.extensions, t)
			continue
		}
		m.out.types = append(m.out.types, t)
		if m.types[t.name.text] == nil {
			m.types[t.name.text] = t
		}
	}
	for _, c := range doc.conditions {
		c.origin = origin
		m.out.conditions = append(m.out.conditions, c)
	}
}

// extend adds the relations of extensions to their types, and reports what extends nothing.
func (m *merger) extend(src *source) {
	for _, x := range m.extensions {
		base := m.types[x.name.text]
		if base == nil {
			f := fault{code: codeUndefinedExtension, at: x.name.at,
				message: fmt.Sprintf("type %s is extended here, but no module declares it", quote(x.name.text))}
			names := make([]string, 0, len(m.out.types))
			for _, t := range m.out.types {
				names = append(names, t.name.text)
			}
			f.suggestion, f.fix = didYouMean(src, x.name.at, x.name.text, "the types", names)
			m.report.add(f)
			continue
		}
		for _, r := range x.relations {
			r.origin = x.origin
			base.relations = append(base.relations, r)
		}
	}
}

// outside reports whether a path of an fga.mod leads out of its folder, or is no plain path.
func outside(name string) bool {
	return !fs.ValidPath(path.Clean(name)) || strings.ContainsAny(name, "\\%\x00")
}
