package filter

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"

	peer "github.com/scim2/filter-parser/v2"
	"pgregory.net/rapid"
)

// The parser of github.com/scim2/filter-parser reads every filter that this package prints to the same
// expression. It knows the words of the grammar alone, so the texts are made, not mutated.
func TestAgreesWithPeer(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := drawExpr(3).Draw(t, "filter")
		text := Print(e)
		ours, err := Parse(text, Options{MaxDepth: 100})
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if !reflect.DeepEqual(ours, e) {
			t.Fatalf("%s parses to\n%#v, not to\n%#v", text, ours, e)
		}
		parsed, err := peer.ParseFilterNumber([]byte(text))
		if err != nil {
			t.Fatalf("%s: the peer says %v", text, err)
		}
		if theirs := fromPeer(t, parsed); !reflect.DeepEqual(ours, theirs) {
			t.Fatalf("%s\n ours   %#v\n theirs %#v", text, ours, theirs)
		}
	})
}

func TestPathsAgreeWithPeer(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := Path{Attr: drawAttr(true).Draw(t, "attribute")}
		if rapid.Bool().Draw(t, "filtered") {
			p.Filter = drawBracket().Draw(t, "filter")
		}
		ours, err := ParsePath(p.String(), Options{MaxDepth: 100})
		if err != nil || !reflect.DeepEqual(ours, p) {
			t.Fatalf("%s parses to\n%#v (%v), not to\n%#v", p, ours, err, p)
		}
		parsed, err := peer.ParsePathNumber([]byte(p.String()))
		if err != nil {
			t.Fatalf("%s: the peer says %v", p, err)
		}
		theirs := Path{Attr: attrFromPeer(parsed.AttributePath)}
		if parsed.ValueExpression != nil {
			theirs.Filter = fromPeer(t, parsed.ValueExpression)
		}
		if parsed.SubAttribute != nil {
			theirs.Attr.Sub = *parsed.SubAttribute
		}
		if !reflect.DeepEqual(ours, theirs) {
			t.Fatalf("%s\n ours   %#v\n theirs %#v", p, ours, theirs)
		}
	})
}

// What both must refuse, and what the peer alone lets through or refuses, so that a change is seen.
func TestRefusalsBesidePeer(t *testing.T) {
	tests := []struct {
		text       string
		ours, peer bool
	}{
		{`userName`, false, false},
		{`userName eq`, false, false},
		{`userName eq "a`, false, false},
		{`(userName pr`, false, false},
		{`userName pr and`, false, false},
		{`userName eq bjensen`, false, false},
		{`emails[type eq "work"`, false, false},
		{`value eq"1"`, true, false},                         // written so in RFC 7644, section 3.5.2.2
		{`emails[type eq "work"].value eq "a"`, true, false}, // Entra
		{`active eq TRUE`, false, true},                      // JSON's literals are in lower case
		{`a.b[c pr]`, false, true},                           // no complex attribute holds another
	}
	for _, tt := range tests {
		_, err := Parse(tt.text, Options{})
		_, peerErr := peer.ParseFilterNumber([]byte(tt.text))
		if (err == nil) != tt.ours || (peerErr == nil) != tt.peer {
			t.Errorf("%s: ours %v, the peer %v", tt.text, err, peerErr)
		}
	}
}

func drawName() *rapid.Generator[string] {
	return rapid.OneOf(rapid.SampledFrom([]string{"userName", "emails", "value", "$ref", "x-1_y", "android", "order", "nothing"}),
		rapid.StringMatching(`[a-zA-Z][a-zA-Z0-9_-]{0,5}`))
}

func drawAttr(sub bool) *rapid.Generator[AttrPath] {
	return rapid.Custom(func(t *rapid.T) AttrPath {
		p := AttrPath{Name: drawName().Draw(t, "name")}
		p.URI = rapid.SampledFrom([]string{"", "", "urn:ietf:params:scim:schemas:core:2.0:User"}).Draw(t, "uri")
		if sub && rapid.Bool().Draw(t, "has sub") {
			p.Sub = drawName().Draw(t, "sub")
		}
		return p
	})
}

func drawValue() *rapid.Generator[Value] {
	return rapid.Custom(func(t *rapid.T) Value {
		switch kind := Kind(rapid.IntRange(0, 3).Draw(t, "kind")); kind {
		case Bool:
			return Value{kind, rapid.SampledFrom([]string{"true", "false"}).Draw(t, "bool")}
		case Number:
			return Value{kind, fmt.Sprint(rapid.IntRange(-1000, 1000).Draw(t, "number"))}
		case String:
			return Value{kind, rapid.StringOf(rapid.SampledFrom([]rune(`ab "()[]é and.`))).Draw(t, "text")}
		default:
			return Value{}
		}
	})
}

func drawCompare() *rapid.Generator[Expr] {
	return rapid.Custom(func(t *rapid.T) Expr {
		c := Compare{Path: drawAttr(true).Draw(t, "path"), Op: Op(rapid.IntRange(0, len(opNames)-1).Draw(t, "op"))}
		if c.Op != Present {
			c.Value = drawValue().Draw(t, "value")
		}
		return c
	})
}

// drawBracket draws what the peer reads within brackets: one comparison, or two. It gives up on more,
// and on negations among others.
func drawBracket() *rapid.Generator[Expr] {
	return rapid.Custom(func(t *rapid.T) Expr {
		one := drawCompare().Draw(t, "first")
		switch rapid.IntRange(0, 2).Draw(t, "shape") {
		case 1:
			return And{[]Expr{one, drawCompare().Draw(t, "second")}}
		case 2:
			return Or{[]Expr{one, drawCompare().Draw(t, "second")}}
		default:
			return one
		}
	})
}

func drawExpr(depth int) *rapid.Generator[Expr] {
	return rapid.Custom(func(t *rapid.T) Expr {
		shape := rapid.IntRange(0, 5).Draw(t, "shape")
		if depth == 0 || shape <= 1 {
			return drawCompare().Draw(t, "compare")
		}
		switch shape {
		case 2:
			return Not{drawExpr(depth-1).Draw(t, "term")}
		case 3:
			terms := rapid.SliceOfN(drawExpr(depth-1), 2, 3).Draw(t, "terms")
			return And{flattenAnd(terms)}
		case 4:
			var flat []Expr
			for _, e := range rapid.SliceOfN(drawExpr(depth-1), 2, 3).Draw(t, "terms") {
				if or, ok := e.(Or); ok {
					flat = append(flat, or.Terms...)
				} else {
					flat = append(flat, e)
				}
			}
			return Or{flat}
		default:
			return Within{drawAttr(false).Draw(t, "path"), drawBracket().Draw(t, "filter")}
		}
	})
}

func attrFromPeer(p peer.AttributePath) AttrPath {
	return AttrPath{URI: strings.TrimSuffix(p.URI(), ":"), Name: p.AttributeName, Sub: p.SubAttributeName()}
}

// fromPeer turns the peer's binary tree into ours, whose lists are flat.
func fromPeer(t *rapid.T, e peer.Expression) Expr {
	switch e := e.(type) {
	case *peer.AttributeExpression:
		op, ok := opOf(string(e.Operator))
		if !ok {
			t.Fatalf("the peer knows an operator %q", e.Operator)
		}
		c := Compare{Path: attrFromPeer(e.AttributePath), Op: op}
		if op != Present {
			c.Value = valueFromPeer(t, e.CompareValue)
		}
		return c
	case *peer.NotExpression:
		return Not{fromPeer(t, e.Expression)}
	case *peer.ValuePath:
		return Within{attrFromPeer(e.AttributePath), fromPeer(t, e.ValueFilter)}
	case *peer.LogicalExpression:
		left, right := fromPeer(t, e.Left), fromPeer(t, e.Right)
		if e.Operator == peer.AND {
			return And{flattenAnd([]Expr{left, right})}
		}
		var flat []Expr
		for _, side := range []Expr{left, right} {
			if or, ok := side.(Or); ok {
				flat = append(flat, or.Terms...)
			} else {
				flat = append(flat, side)
			}
		}
		return Or{flat}
	default:
		t.Fatalf("the peer has an expression of type %T", e)
		return nil
	}
}

func valueFromPeer(t *rapid.T, v any) Value {
	switch v := v.(type) {
	case nil:
		return Value{}
	case bool:
		return Value{Bool, fmt.Sprint(v)}
	case json.Number:
		return Value{Number, v.String()}
	case string: // with the escapes as they were written
		text := Value{Kind: String}
		if err := json.Unmarshal([]byte(`"`+v+`"`), &text.Text); err != nil {
			t.Fatalf("the peer has a string %q", v)
		}
		return text
	default:
		t.Fatalf("the peer has a value of type %T", v)
		return Value{}
	}
}
