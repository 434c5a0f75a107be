package engine

import (
	"fmt"
	"slices"
	"testing"

	"github.com/ostiary/ostiary/dsl/model"
)

// longModel has n relations, each the next one, and the last of users and of the first.
func longModel(n int) *model.Model {
	doc := &model.Type{Name: "doc"}
	for i := range n - 1 {
		doc.Relations = append(doc.Relations, &model.Relation{
			Name: fmt.Sprintf("r%d", i), Rewrite: model.ComputedUserset{Relation: fmt.Sprintf("r%d", i+1)},
		})
	}
	doc.Relations = append(doc.Relations, &model.Relation{
		Name: fmt.Sprintf("r%d", n-1), Rewrite: model.Direct{},
		Restrictions: []model.Restriction{{Type: "user"}, {Type: "doc", Relation: "r0"}},
	})
	return model.New(model.Schema11, []*model.Type{{Name: "user"}, doc}, nil)
}

// What a plan keeps of subject shapes is bounded, whatever is asked.
func TestShapesOfAPlanAreBounded(t *testing.T) {
	const n = 1000
	p := Compile(longModel(n))
	for i := range n {
		sp, err := p.shapeFor(shape{typ: "doc", relation: fmt.Sprintf("r%d", i)})
		if err != nil {
			t.Fatal(err)
		}
		if got := len(slices.DeleteFunc(slices.Clone(sp.nodes), func(n *node) bool { return n == nil })); got != n {
			t.Fatalf("shape %d reaches %d relations, want %d", i, got, n)
		}
	}
	parts := 0
	for _, sp := range p.mu.shapes {
		parts += sp.parts
	}
	if parts > maxShapeParts || parts != p.mu.parts || len(p.mu.shapes) < 10 {
		t.Errorf("%d shapes are kept, of %d parts (counted as %d), want some and at most %d parts", len(p.mu.shapes), parts, p.mu.parts, maxShapeParts)
	}
}

// Which relations a shape reaches, where rewrites repeat a relation, are empty or refer in circles.
func TestReach(t *testing.T) {
	computed := func(name string) model.Rewrite { return model.ComputedUserset{Relation: name} }
	doc := &model.Type{Name: "doc"}
	add := func(name string, rw model.Rewrite, restrictions ...model.Restriction) {
		doc.Relations = append(doc.Relations, &model.Relation{Name: name, Rewrite: rw, Restrictions: restrictions})
	}
	add("twice", model.Intersection{Children: []model.Rewrite{computed("user"), computed("user")}})
	add("both", model.Intersection{Children: []model.Rewrite{
		model.Union{Children: []model.Rewrite{computed("user"), computed("twice")}}, computed("bot"),
	}})
	add("all", model.Intersection{})
	add("none", model.Union{})
	add("circle", model.Intersection{Children: []model.Rewrite{computed("circle"), computed("user")}})
	add("less", model.Difference{Base: computed("bot"), Subtract: computed("user")})
	add("user", model.Direct{}, model.Restriction{Type: "user"}, model.Restriction{Type: "user", Wildcard: true}, model.Restriction{Type: "user", Condition: "c"})
	add("bot", model.Direct{}, model.Restriction{Type: "bot"})
	add("parent", model.Direct{}, model.Restriction{Type: "doc"})
	add("above", model.TupleToUserset{Tupleset: "parent", Computed: "user"})
	p := Compile(model.New(model.Schema11, []*model.Type{{Name: "user"}, {Name: "bot"}, doc}, nil))
	for _, test := range []struct {
		shape shape
		want  []string
	}{
		{shape{typ: "user"}, []string{"twice", "user", "above"}},
		{shape{typ: "user", wildcard: true}, []string{"twice", "user", "above"}},
		{shape{typ: "bot"}, []string{"less", "bot"}},
		{shape{typ: "bot", wildcard: true}, nil},
		{shape{typ: "doc"}, []string{"parent"}},
		{shape{typ: "doc", relation: "circle"}, []string{"circle"}},
		{shape{typ: "doc", relation: "user"}, []string{"twice", "user", "above"}},
	} {
		sp, err := p.shapeFor(test.shape)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, n := range sp.nodes {
			if n != nil {
				got = append(got, n.rel.relation)
			}
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("%v reaches %v, want %v", test.shape, got, test.want)
		}
	}
}

func BenchmarkCompileShape(b *testing.B) {
	for _, n := range []int{500, 2000, 8000} {
		p := Compile(longModel(n))
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			for b.Loop() {
				compileShape(p, shape{typ: "user"})
			}
		})
	}
}
