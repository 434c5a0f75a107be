package enginebench

import (
	"fmt"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/dsl/model"
	"github.com/ostiary/ostiary/engine"
)

// Workloads returns all workloads.
func Workloads() []Workload {
	all := []Workload{direct(), nested(8), wide(10_000), ttu(10), exclusion(), miss()}
	for _, n := range []int{10, 1_000, 10_000} {
		all = append(all, listObjects(n))
	}
	for _, n := range []int{10, 10_000} {
		all = append(all, listUsers(n))
	}
	return all
}

// documents is the model of all workloads:
//
//	type user
//	type group
//	  relations
//	    define member: [user, group#member]
//	type folder
//	  relations
//	    define parent: [folder]
//	    define viewer: [user, group#member] or viewer from parent
//	type doc
//	  relations
//	    define parent: [folder]
//	    define banned: [user, group#member]
//	    define viewer: ([user, group#member] or viewer from parent) but not banned
func documents() *model.Model {
	userOrGroup := []model.Restriction{{Type: "user"}, {Type: "group", Relation: "member"}}
	folder := []model.Restriction{{Type: "folder"}}
	inherited := model.Union{Children: []model.Rewrite{
		model.Direct{}, model.TupleToUserset{Tupleset: "parent", Computed: "viewer"},
	}}
	return model.New(model.Schema11, []*model.Type{
		{Name: "user"},
		{Name: "group", Relations: []*model.Relation{
			{Name: "member", Rewrite: model.Direct{}, Restrictions: userOrGroup},
		}},
		{Name: "folder", Relations: []*model.Relation{
			{Name: "parent", Rewrite: model.Direct{}, Restrictions: folder},
			{Name: "viewer", Rewrite: inherited, Restrictions: userOrGroup},
		}},
		{Name: "doc", Relations: []*model.Relation{
			{Name: "parent", Rewrite: model.Direct{}, Restrictions: folder},
			{Name: "banned", Rewrite: model.Direct{}, Restrictions: userOrGroup},
			{Name: "viewer", Restrictions: userOrGroup, Rewrite: model.Difference{
				Base: inherited, Subtract: model.ComputedUserset{Relation: "banned"},
			}},
		}},
	}, nil)
}

// builder collects tuples.
type builder struct{ edges []ostiary.Edge }

func (b *builder) add(object ostiary.ObjectRef, relation string, subject ostiary.SubjectRef) {
	b.edges = append(b.edges, ostiary.Edge{Tuple: ostiary.Tuple{Object: object, Relation: relation, Subject: subject}})
}

func object(typ string, n int) ostiary.ObjectRef {
	return ostiary.ObjectRef{Type: typ, ID: fmt.Sprintf("%s%06d", typ, n)}
}

func user(n int) ostiary.SubjectRef {
	o := object("user", n)
	return ostiary.SubjectRef{Type: o.Type, ID: o.ID}
}

func members(n int) ostiary.SubjectRef {
	o := object("group", n)
	return ostiary.SubjectRef{Type: o.Type, ID: o.ID, Relation: "member"}
}

func plain(o ostiary.ObjectRef) ostiary.SubjectRef { return ostiary.SubjectRef{Type: o.Type, ID: o.ID} }

func check(doc, who int, want ostiary.Decision) Question {
	return Question{Check: &engine.CheckQuery{Object: object("doc", doc), Relation: "viewer", Subject: user(who)}, Want: want}
}

func workload(name string, b *builder, questions ...Question) Workload {
	return Workload{Name: name, Model: documents(), Tuples: b.edges, Questions: questions}
}

// direct: 1,000 documents with ten viewers each; the user is one of them.
func direct() Workload {
	b := &builder{}
	var questions []Question
	for doc := range 1_000 {
		for i := range 10 {
			b.add(object("doc", doc), "viewer", user(doc+i))
		}
		questions = append(questions, check(doc, doc+5, ostiary.Allowed))
	}
	return workload("Check/shape=direct", b, questions...)
}

// nested: 100 chains of groups inside groups; the user is in the innermost.
func nested(levels int) Workload {
	b := &builder{}
	var questions []Question
	for chain := range 100 {
		first := chain * levels
		b.add(object("doc", chain), "viewer", members(first))
		for level := range levels - 1 {
			b.add(object("group", first+level), "member", members(first+level+1))
			b.add(object("group", first+level), "member", user(10_000+first+level))
		}
		b.add(object("group", first+levels-1), "member", user(chain))
		questions = append(questions, check(chain, chain, ostiary.Allowed))
	}
	return workload(fmt.Sprintf("Check/shape=nested%d", levels), b, questions...)
}

// wide: a document for a group with very many members; half of the questions miss.
func wide(size int) Workload {
	b := &builder{}
	b.add(object("doc", 0), "viewer", members(0))
	for i := range size {
		b.add(object("group", 0), "member", user(i))
	}
	return workload(fmt.Sprintf("Check/shape=wide%dk", size/1_000), b,
		check(0, size/2, ostiary.Allowed), check(0, size+1, ostiary.Denied))
}

// ttu: documents at the end of a chain of folders; the user may view the topmost.
func ttu(levels int) Workload {
	b := &builder{}
	var questions []Question
	for chain := range 100 {
		first := chain * levels
		b.add(object("doc", chain), "parent", plain(object("folder", first)))
		for level := range levels - 1 {
			b.add(object("folder", first+level), "parent", plain(object("folder", first+level+1)))
		}
		b.add(object("folder", first+levels-1), "viewer", user(chain))
		questions = append(questions, check(chain, chain, ostiary.Allowed))
	}
	return workload(fmt.Sprintf("Check/shape=ttu%d", levels), b, questions...)
}

// exclusion: users whom a group lets in and a ban keeps out, directly or through a group.
func exclusion() Workload {
	b := &builder{}
	var questions []Question
	for doc := range 100 {
		b.add(object("doc", doc), "viewer", members(doc))
		b.add(object("group", doc), "member", user(doc))
		b.add(object("group", doc), "member", user(1_000+doc))
		b.add(object("doc", doc), "banned", members(1_000+doc))
		b.add(object("group", 1_000+doc), "member", user(doc))
		questions = append(questions, check(doc, doc, ostiary.Denied), check(doc, 1_000+doc, ostiary.Allowed))
	}
	return workload("Check/shape=exclusion", b, questions...)
}

// miss: documents with ten groups, each with ten groups inside, in folders three deep that have groups
// of their own; the user is in groups too, in none of these.
func miss() Workload {
	b := &builder{}
	var questions []Question
	for doc := range 100 {
		group := doc * 1_000
		for i := range 10 {
			outer := group + i*11
			b.add(object("doc", doc), "viewer", members(outer))
			for j := range 10 {
				b.add(object("group", outer), "member", members(outer+1+j))
				b.add(object("group", outer+1+j), "member", user(1_000+j))
			}
		}
		b.add(object("doc", doc), "parent", plain(object("folder", 3*doc)))
		for level := range 3 {
			b.add(object("folder", 3*doc+level), "viewer", members(group+500+level))
			b.add(object("group", group+500+level), "member", user(1_500))
			if level < 2 {
				b.add(object("folder", 3*doc+level), "parent", plain(object("folder", 3*doc+level+1)))
			}
		}
		b.add(object("group", group+900), "member", user(doc))
		questions = append(questions, check(doc, doc, ostiary.Denied))
	}
	return workload("Check/shape=miss", b, questions...)
}

// listObjects: a tenth of the documents directly, a tenth through nested groups, the rest in folders
// inside folders; one in eleven on top of that is banned.
func listObjects(results int) Workload {
	b := &builder{}
	const who = 0
	b.add(object("group", 0), "member", members(1))
	b.add(object("group", 1), "member", user(who))
	folders := max(1, results/100)
	for f := range folders {
		if f == 0 {
			b.add(object("folder", f), "viewer", members(0))
		} else {
			b.add(object("folder", f), "parent", plain(object("folder", (f-1)/10)))
		}
	}
	for doc := range results + results/10 {
		switch {
		case doc%10 == 0:
			b.add(object("doc", doc), "viewer", user(who))
		case doc%10 == 1:
			b.add(object("doc", doc), "viewer", members(0))
		default:
			b.add(object("doc", doc), "parent", plain(object("folder", doc%folders)))
		}
		if doc >= results {
			b.add(object("doc", doc), "banned", user(who))
		}
		b.add(object("doc", 1_000_000+doc), "viewer", user(who+1))
	}
	return workload(fmt.Sprintf("ListObjects/results=%d", results), b, Question{
		ListObjects: &engine.ListObjectsQuery{Type: "doc", Relation: "viewer", Subject: user(who)}, WantLength: results,
	})
}

// listUsers: a tree of groups with ten users each.
func listUsers(results int) Workload {
	b := &builder{}
	b.add(object("doc", 0), "viewer", members(0))
	for i := range results {
		group := i / 10
		if i%10 == 0 && group > 0 {
			b.add(object("group", (group-1)/10), "member", members(group))
		}
		b.add(object("group", group), "member", user(i))
	}
	return workload(fmt.Sprintf("ListUsers/results=%d", results), b, Question{
		ListUsers:  &engine.ListUsersQuery{Object: object("doc", 0), Relation: "viewer", Filter: engine.UserFilter{Type: "user"}},
		WantLength: results,
	})
}
