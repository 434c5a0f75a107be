package engine_test

import (
	"context"
	"fmt"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/dsl"
	"github.com/ostiary/ostiary/engine"
)

func Example() {
	m, err := dsl.Compile("example.fga", []byte(`model
  schema 1.1
type user
type group
  relations
    define member: [user, group#member]
type doc
  relations
    define banned: [user]
    define viewer: [user, group#member] but not banned
`))
	if err != nil {
		fmt.Println(err)
		return
	}
	var edges []ostiary.Edge
	for _, text := range []string{
		"doc:plan#viewer@group:all#member",
		"group:all#member@group:eng#member",
		"group:eng#member@user:ann",
		"group:eng#member@user:bob",
		"doc:plan#banned@user:bob",
	} {
		tuple, err := ostiary.ParseTuple(text)
		if err != nil {
			fmt.Println(err)
			return
		}
		edges = append(edges, ostiary.Edge{Tuple: tuple})
	}

	// Plans and engines are kept; a reader is opened for each question.
	plan, eng, reader, ctx := engine.Compile(m), engine.New(engine.Options{}), engine.NewMemory(edges), context.Background()
	doc := ostiary.ObjectRef{Type: "doc", ID: "plan"}
	ann := ostiary.SubjectRef{Type: "user", ID: "ann"}

	decision, err := eng.Check(ctx, plan, reader, engine.CheckQuery{Object: doc, Relation: "viewer", Subject: ann})
	fmt.Println(decision, err)
	objects, err := eng.ListObjects(ctx, plan, reader, engine.ListObjectsQuery{Type: "doc", Relation: "viewer", Subject: ann})
	fmt.Println(objects, err)
	users, err := eng.ListUsers(ctx, plan, reader, engine.ListUsersQuery{Object: doc, Relation: "viewer", Filter: engine.UserFilter{Type: "user"}})
	fmt.Println(users, err)
	bob := ostiary.SubjectRef{Type: "user", ID: "bob"}
	why, err := eng.Explain(ctx, plan, reader, engine.CheckQuery{Object: doc, Relation: "viewer", Subject: bob})
	fmt.Println(err)
	fmt.Print(why)

	// Output:
	// allowed <nil>
	// [doc:plan] <nil>
	// [user:ann] <nil>
	// <nil>
	// denied   doc:plan#viewer
	//   denied   but not
	//     allowed  doc:plan#viewer@group:all#member
	//       allowed  group:all#member
	//         allowed  group:all#member@group:eng#member
	//           allowed  group:eng#member
	//             allowed  group:eng#member@user:bob
	//     allowed  doc:plan#banned
	//       allowed  doc:plan#banned@user:bob
}
