package dsl

import (
	"fmt"
	"strings"

	"github.com/ostiary/ostiary/dsl/condition"
)

// checker judges whether a document means something: every name resolves, tuplesets are direct,
// every relation can hold somebody.
type checker struct {
	src    *source
	report *report
	doc    *document
	// authoring adds the checks that are for people who write a model, and that the API leaves out.
	authoring bool

	types      map[string]*typeInfo
	order      []*typeInfo // without duplicates
	conditions map[string]*conditionDecl
	badSets    map[*relationDecl]bool        // tuplesets that have been reported
	held       map[*relationDecl][]*typeInfo // see holders
}

// typeInfo is a type with its relations by name.
type typeInfo struct {
	decl      *typeDecl
	relations map[string]*relationDecl
	order     []*relationDecl // without duplicates
}

func newChecker(src *source, r *report, doc *document) *checker {
	return &checker{src: src, report: r, doc: doc, types: map[string]*typeInfo{},
		conditions: map[string]*conditionDecl{}, badSets: map[*relationDecl]bool{}, held: map[*relationDecl][]*typeInfo{}}
}

func (c *checker) check() {
	if len(c.doc.types) == 0 {
		if c.report.empty() {
			c.report.add(fault{code: codeEmptyModel, at: c.doc.at,
				message:    "the model has no types",
				suggestion: "add at least one, such as `type user`"})
		}
		return
	}
	if len(c.doc.types) > MaxTypes {
		c.report.add(fault{code: codeTooManyTypes, at: c.doc.types[MaxTypes].name.at,
			message:    fmt.Sprintf("the model has %d types", len(c.doc.types)),
			suggestion: fmt.Sprintf("a model has at most %d types (MaxTypes)", MaxTypes)})
		return
	}
	c.declare()
	for _, t := range c.order {
		for _, r := range t.order {
			c.resolve(t, r)
		}
	}
	c.expressions()
	c.cycles()
	c.entryPoints()
	c.unused()
}

// declare collects the names that the document declares.
func (c *checker) declare() {
	for _, t := range c.doc.types {
		c.checkName("type", t.name)
		info := &typeInfo{decl: t, relations: map[string]*relationDecl{}}
		if first := c.types[t.name.text]; first != nil {
			c.duplicate(codeDuplicateType, "type", t.name, first.decl.name)
		} else {
			c.types[t.name.text] = info
			c.order = append(c.order, info)
		}
		for _, r := range t.relations {
			c.checkName("relation", r.name)
			if first := info.relations[r.name.text]; first != nil {
				c.duplicate(codeDuplicateRelation, "relation", r.name, first.name)
				continue
			}
			info.relations[r.name.text] = r
			info.order = append(info.order, r)
		}
	}
	for _, d := range c.doc.conditions {
		c.checkName("condition", d.name)
		if d.name.text == condition.Inline {
			c.report.add(fault{code: codeReservedWord, at: d.name.at,
				message:    fmt.Sprintf("%s is reserved and cannot name a condition", quote(d.name.text)),
				suggestion: "choose another name; it stands for the expression that a tuple brings with it"})
			d.used = true
		}
		if first := c.conditions[d.name.text]; first != nil {
			c.duplicate(codeDuplicateCondition, "condition", d.name, first.name)
			d.used = true
		} else {
			c.conditions[d.name.text] = d
		}
		c.declareParameters(d)
	}
}

func (c *checker) declareParameters(d *conditionDecl) {
	seen := map[string]ident{}
	for _, p := range d.parameters {
		c.checkName("parameter", p.name)
		if first, taken := seen[p.name.text]; taken {
			c.duplicate(codeDuplicateParameter, "parameter", p.name, first)
			continue
		}
		seen[p.name.text] = p.name
	}
}

func (c *checker) checkName(kind string, name ident) {
	if f, bad := nameFault(kind, name.text, name.at); bad {
		c.report.add(f)
	}
}

func (c *checker) duplicate(code, kind string, name, first ident) {
	c.report.add(fault{code: code, at: name.at,
		message:    fmt.Sprintf("%s %s is declared twice", kind, quote(name.text)),
		suggestion: fmt.Sprintf("it is declared on %s; rename or remove one of the two", c.src.lineSeen(first.at, name.at))})
}

// resolve looks up every name in a relation's expression.
func (c *checker) resolve(t *typeInfo, r *relationDecl) {
	for i, list := range r.lists {
		if i > 0 && c.authoring {
			r.broken = true
			c.report.add(fault{code: codeDuplicateList, at: list.at,
				message:    fmt.Sprintf("relation %s has a second list of type restrictions", quote(r.name.text)),
				suggestion: "a relation has one list; put all restrictions into the first"})
		}
		if i == 0 || c.authoring {
			c.resolveList(r, list)
		}
	}
	walk(r.expr, func(e expr) {
		switch e := e.(type) {
		case *nameExpr:
			if t.relations[e.relation.text] == nil {
				r.broken = true
				c.undefinedRelation(t, r, e.relation)
			}
		case *fromExpr:
			if !c.resolveFrom(t, e) {
				r.broken = true
			}
		case *setExpr:
			if c.authoring {
				c.duplicateOperands(e)
			}
		}
	})
}

func (c *checker) duplicateOperands(set *setExpr) {
	seen := map[string]bool{}
	for _, child := range set.children {
		if _, isList := child.(*listExpr); isList {
			continue
		}
		text := printExpr(child, true)
		if seen[text] {
			c.report.add(fault{code: codeDuplicateOperand, at: child.where(),
				message:    fmt.Sprintf("operand %s stands twice beside %s", quote(text), quote(set.operator.String())),
				suggestion: "remove one of the two"})
		}
		seen[text] = true
	}
}

// undefinedRelation reports a name that is no relation of a type. The relation in whose expression it
// stands is no suggestion for it: that would be a cycle.
func (c *checker) undefinedRelation(t *typeInfo, in *relationDecl, name ident) {
	if c.report.full() {
		c.report.dropped++
		return
	}
	f := fault{code: codeUndefinedRelation, at: name.at,
		message: fmt.Sprintf("relation %s is not defined on type %s", quote(name.text), quote(t.decl.name.text))}
	f.suggestion, f.fix = didYouMean(c.src, name.at, name.text, "its relations", relationNames(t, in))
	if f.fix == "" && c.types[name.text] != nil && !c.src.json {
		f.suggestion = fmt.Sprintf("%s is a type; to let it be written to the relation, put it into brackets", quote(name.text))
		f.fix = c.src.fix(name.at, "["+name.text+"]")
	}
	c.report.add(f)
}

func (c *checker) undefined(code, kind string, name ident, candidates func() []string) {
	if c.report.full() {
		c.report.dropped++
		return
	}
	f := fault{code: code, at: name.at, message: fmt.Sprintf("%s %s is not defined", kind, quote(name.text))}
	f.suggestion, f.fix = didYouMean(c.src, name.at, name.text, "the "+kind+"s", candidates())
	c.report.add(f)
}

func relationNames(t *typeInfo, but *relationDecl) []string {
	names := make([]string, 0, len(t.order))
	for _, r := range t.order {
		if r != but {
			names = append(names, r.name.text)
		}
	}
	return names
}

func (c *checker) typeNames() []string {
	names := make([]string, 0, len(c.order))
	for _, t := range c.order {
		names = append(names, t.decl.name.text)
	}
	return names
}

func (c *checker) conditionNames() []string {
	names := make([]string, 0, len(c.doc.conditions))
	for _, d := range c.doc.conditions {
		names = append(names, d.name.text)
	}
	return names
}

func (c *checker) resolveList(r *relationDecl, list *listExpr) {
	seen := map[string]bool{}
	for i := range list.restrictions {
		restriction := &list.restrictions[i]
		if !c.resolveRestriction(restriction) {
			r.broken = true
		}
		text := restriction.model().String()
		if seen[text] && c.authoring && !r.broken {
			c.report.add(fault{code: codeDuplicateRestriction, at: restriction.at,
				message:    fmt.Sprintf("type restriction %s stands twice in the list", quote(text)),
				suggestion: "remove one of the two"})
		}
		seen[text] = true
	}
}

func (c *checker) resolveRestriction(r *restrictionDecl) bool {
	ok := true
	t := c.types[r.typ.text]
	switch {
	case t == nil:
		ok = false
		c.undefined(codeUndefinedType, "type", r.typ, c.typeNames)
	case r.relation.text != "" && t.relations[r.relation.text] == nil:
		ok = false
		c.undefinedRelation(t, nil, r.relation)
	}
	if name := r.condition; name.text != "" && name.text != condition.Inline {
		d := c.conditions[name.text]
		if d == nil {
			c.undefined(codeUndefinedCondition, "condition", name, c.conditionNames)
			if meant := c.conditions[nearest(name.text, c.conditionNames())]; meant != nil {
				meant.used = true
			}
			return false
		}
		d.used = true
	}
	return ok
}

// resolveFrom judges "computed from tupleset". The tupleset must hold plain objects, written
// directly, since its tuples are followed without evaluating it.
func (c *checker) resolveFrom(t *typeInfo, e *fromExpr) bool {
	tupleset := t.relations[e.tupleset.text]
	if tupleset == nil {
		c.undefinedRelation(t, nil, e.tupleset)
		return false
	}
	if !c.directTupleset(t, tupleset, e.tupleset.at) {
		return false
	}
	holders := c.holders(tupleset)
	for _, holder := range holders {
		if holder.relations[e.computed.text] != nil {
			return true
		}
	}
	if tupleset.broken || len(holders) == 0 || c.report.full() {
		return false // what is at fault is the tupleset, or nobody reads it any more
	}
	var names, candidates []string
	for _, holder := range holders {
		names = append(names, quote(holder.decl.name.text))
		candidates = append(candidates, relationNames(holder, nil)...)
	}
	f := fault{code: codeUndefinedComputed, at: e.computed.at,
		message: fmt.Sprintf("relation %s is not defined on %s, which %s leads to",
			quote(e.computed.text), strings.Join(names, " or "), quote(e.tupleset.text))}
	f.suggestion, f.fix = didYouMean(c.src, e.computed.at, e.computed.text, "relations there", candidates)
	c.report.add(f)
	return false
}

// holders returns the types whose objects a relation may hold directly, each once.
func (c *checker) holders(tupleset *relationDecl) []*typeInfo {
	if known, ok := c.held[tupleset]; ok {
		return known
	}
	var out []*typeInfo
	seen := map[*typeInfo]bool{}
	for _, list := range tupleset.lists {
		for _, restriction := range list.restrictions {
			if holder := c.types[restriction.typ.text]; holder != nil && !seen[holder] {
				seen[holder] = true
				out = append(out, holder)
			}
		}
	}
	c.held[tupleset] = out
	return out
}

// directTupleset reports whether a relation can stand behind `from`, and at its first use why not.
func (c *checker) directTupleset(t *typeInfo, tupleset *relationDecl, at span) bool {
	if c.badSets[tupleset] {
		return false
	}
	f := fault{at: at}
	list, direct := tupleset.expr.(*listExpr)
	if !direct {
		if tupleset.broken || tupleset.expr == nil {
			return false // its own fault comes first
		}
		f.code = codeTuplesetNotDirect
		f.message = fmt.Sprintf("relation %s stands behind `from` but is not direct", quote(tupleset.name.text))
		f.suggestion = fmt.Sprintf("define %s by type restrictions alone (%s), or follow a relation that is",
			quote(tupleset.name.text), c.src.lineSeen(tupleset.name.at, at))
	} else {
		for _, restriction := range list.restrictions {
			if !restriction.wildcard && restriction.relation.text == "" {
				continue
			}
			f.code = codeTuplesetRestricted
			f.message = fmt.Sprintf("relation %s stands behind `from` but may hold %s",
				quote(tupleset.name.text), quote(restriction.model().String()))
			f.suggestion = fmt.Sprintf("let %s hold plain types alone (%s), such as `[%s]`",
				quote(tupleset.name.text), c.src.lineSeen(tupleset.name.at, at), restriction.typ.text)
			break
		}
	}
	if f.code == "" {
		return true
	}
	c.badSets[tupleset] = true
	c.report.add(f)
	return false
}

// unused reports conditions that no restriction names.
func (c *checker) unused() {
	if !c.authoring {
		return
	}
	for _, d := range c.doc.conditions {
		if d.used || d.broken {
			continue
		}
		c.report.add(fault{code: codeUnusedCondition, at: d.name.at,
			message:    fmt.Sprintf("condition %s is not used", quote(d.name.text)),
			suggestion: fmt.Sprintf("name it in a type restriction, as in `[user with %s]`, or remove it", d.name.text)})
	}
}
