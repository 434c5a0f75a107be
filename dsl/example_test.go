package dsl_test

import (
	"errors"
	"fmt"
	"strings"

	"github.com/ostiary/ostiary/dsl"
)

func ExampleCompile() {
	_, err := dsl.Compile("wiki.fga", []byte(`model
  schema 1.1
type user
type page
  relations
    define owner: [user]
    define viewer: [usr] or ownr
`))
	fmt.Println(err)

	var faults dsl.Diagnostics
	if errors.As(err, &faults) {
		fmt.Println(faults[0].Line, faults[0].Column, faults[0].Code)
	}
	// Output:
	// wiki.fga:7:21: error E101: type `usr` is not defined
	//  7 |     define viewer: [usr] or ownr
	//    |                     ^^^
	//    = help: did you mean `user`?
	//    = fix: define viewer: [user] or ownr
	//
	// wiki.fga:7:29: error E102: relation `ownr` is not defined on type `page`
	//  7 |     define viewer: [usr] or ownr
	//    |                             ^^^^
	//    = help: did you mean `owner`?
	//    = fix: define viewer: [usr] or owner
	//
	// 2 errors
	// 7 21 E101
}

func ExampleFormat() {
	text, err := dsl.Format("wiki.fga", []byte("model\nschema 1.1\n# people\ntype user\ntype page\nrelations\ndefine viewer:[user,user:*]# all\n"))
	fmt.Print(string(text), err)
	// Output:
	// model
	//   schema 1.1
	//
	// # people
	// type user
	//
	// type page
	//   relations
	//     define viewer: [user, user:*] # all
	// <nil>
}

func ExampleJSON() {
	m, err := dsl.Compile("wiki.fga", []byte("model\n  schema 1.1\ntype user\ntype page\n  relations\n    define viewer: [user:*]\n"))
	if err != nil {
		fmt.Println(err)
		return
	}
	data, err := dsl.JSON(m)
	fmt.Println(string(data), err)
	// Output:
	// {"schema_version":"1.1","type_definitions":[{"type":"user","relations":{}},{"type":"page","relations":{"viewer":{"this":{}}},"metadata":{"relations":{"viewer":{"directly_related_user_types":[{"type":"user","wildcard":{}}]}}}}]} <nil>
}

func ExampleExplain() {
	text, _ := dsl.Explain("E120")
	fmt.Println(strings.SplitN(text, "\n", 2)[0])
	// Output: E120 reserved-word
}
