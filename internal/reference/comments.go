package reference

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"reflect"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// words are the texts of what descriptors name: services, methods, messages, fields, enums and their values, each under
// its full name in protobuf.
type words map[string]string

// generated holds the comments of generated Go code under Go's names: "Type", "Type.field" with protobuf's name of the
// field, "Type.Method", and constants.
type generated map[string]string

// readGenerated reads the comments that the generators of protobuf and gRPC copied from proto files into the Go files of
// a folder.
func readGenerated(dir string) (generated, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.pb.go"))
	if err != nil || len(files) == 0 {
		return nil, fmt.Errorf("read comments: no generated code in %s: %v", dir, err)
	}
	all := generated{}
	for _, file := range files {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return nil, fmt.Errorf("read comments: %w", err)
		}
		for _, d := range parsed.Decls {
			if d, ok := d.(*ast.GenDecl); ok {
				all.declaration(d)
			}
		}
	}
	return all, nil
}

func (g generated) declaration(d *ast.GenDecl) {
	for _, spec := range d.Specs {
		switch spec := spec.(type) {
		case *ast.ValueSpec:
			for _, name := range spec.Names {
				g.note(name.Name, spec.Doc)
			}
		case *ast.TypeSpec:
			if !d.Lparen.IsValid() {
				spec.Doc = d.Doc
			}
			g.note(spec.Name.Name, spec.Doc)
			switch t := spec.Type.(type) {
			case *ast.StructType:
				for _, f := range t.Fields.List {
					if name := fieldName(f); name != "" {
						g.note(spec.Name.Name+"."+name, f.Doc)
					}
				}
			case *ast.InterfaceType:
				for _, m := range t.Methods.List {
					for _, name := range m.Names {
						g.note(spec.Name.Name+"."+name.Name, m.Doc)
					}
				}
			}
		}
	}
}

func (g generated) note(name string, doc *ast.CommentGroup) {
	if text := strings.TrimSpace(doc.Text()); text != "" {
		g[name] = text
	}
}

// fieldName returns the name that protobuf has for a field of a generated struct.
func fieldName(f *ast.Field) string {
	if f.Tag == nil {
		return ""
	}
	tag := reflect.StructTag(strings.Trim(f.Tag.Value, "`")).Get("protobuf")
	for part := range strings.SplitSeq(tag, ",") {
		if name, ok := strings.CutPrefix(part, "name="); ok {
			return name
		}
	}
	return ""
}

// of adds the comments of a file's services, messages and enums to the words.
func (g generated) of(file protoreflect.FileDescriptor, to words) {
	for i := range file.Services().Len() {
		s := file.Services().Get(i)
		client := string(s.Name()) + "Client"
		_, text, _ := strings.Cut(g[client], "google.golang.org/grpc/?tab=doc#ClientConn.NewStream.")
		to.set(s, strings.TrimSpace(text))
		for j := range s.Methods().Len() {
			m := s.Methods().Get(j)
			to.set(m, g[client+"."+string(m.Name())])
		}
	}
	g.enums(file.Enums(), to)
	g.messages(file.Messages(), to)
}

func (g generated) messages(all protoreflect.MessageDescriptors, to words) {
	for i := range all.Len() {
		m := all.Get(i)
		name := goName(m)
		to.set(m, g[name])
		for j := range m.Fields().Len() {
			f := m.Fields().Get(j)
			text := g[name+"."+string(f.Name())]
			if o := f.ContainingOneof(); o != nil && !o.IsSynthetic() {
				text = g[name+"_"+camel(string(f.Name()))+"."+string(f.Name())]
			}
			to.set(f, text)
		}
		g.enums(m.Enums(), to)
		g.messages(m.Messages(), to)
	}
}

func (g generated) enums(all protoreflect.EnumDescriptors, to words) {
	for i := range all.Len() {
		e := all.Get(i)
		to.set(e, g[goName(e)])
		prefix := goName(e)
		if outer, ok := e.Parent().(protoreflect.MessageDescriptor); ok {
			prefix = goName(outer)
		}
		for j := range e.Values().Len() {
			v := e.Values().Get(j)
			// Values are named beside their enum; two enums of a file have no value of one name.
			to[string(e.FullName())+"."+string(v.Name())] = g[prefix+"_"+string(v.Name())]
		}
	}
}

func (w words) set(d protoreflect.Descriptor, text string) {
	if text != "" {
		w[string(d.FullName())] = text
	}
}

// goName returns the name that generated code has for a message or an enum: those of one within another are joined.
func goName(d protoreflect.Descriptor) string {
	if outer, ok := d.Parent().(protoreflect.MessageDescriptor); ok {
		return goName(outer) + "_" + string(d.Name())
	}
	return string(d.Name())
}

// camel returns a field's name as generated code has it.
func camel(name string) string {
	var b strings.Builder
	for part := range strings.SplitSeq(name, "_") {
		if part != "" {
			b.WriteString(strings.ToUpper(part[:1]) + part[1:])
		}
	}
	return b.String()
}
