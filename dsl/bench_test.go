package dsl

import (
	"fmt"
	"testing"
)

// go test ./dsl -run XXX -bench Compile
func BenchmarkCompile(b *testing.B) {
	large := header + "type user\n" + lines(90, func(i int) string {
		return fmt.Sprintf("type t%d\n  relations\n    define parent: [t%d]\n    define owner: [user]\n", i, i/2) +
			lines(20, func(r int) string {
				return fmt.Sprintf("    define r%d: ([user, t%d#owner] or owner or owner from parent) but not banned", r, i)
			}) + "    define banned: [user]"
	})
	for _, model := range []struct{ name, text string }{
		{"small", string(readFile(b, "testdata/valid/drive.fga"))},
		{"large", large},
	} {
		m, err := Compile(model.name, []byte(model.text))
		if err != nil {
			b.Fatal(err)
		}
		data, err := JSON(m)
		if err != nil {
			b.Fatal(err)
		}
		b.Run("form=dsl/model="+model.name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(model.text)))
			for b.Loop() {
				if _, err := Compile(model.name, []byte(model.text)); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run("form=json/model="+model.name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(data)))
			for b.Loop() {
				if _, err := CompileJSON(model.name, data); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
