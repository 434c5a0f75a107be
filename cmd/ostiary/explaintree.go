package main

import (
	"fmt"
	"strings"

	ostiaryv1 "github.com/ostiary/ostiary/api/gen/ostiary/v1"
)

// An explanation as a tree for people: what decided, and behind a bar what did not, with what reading it cost.

// explanation is the tree of an answer as text.
func (a *app) explanation(answer *ostiaryv1.ExplainResponse) string {
	if answer.GetRoot() == nil {
		return answer.GetText()
	}
	w := &explainWriter{app: a}
	w.write(answer.GetRoot(), "", nil)
	return w.text.String()
}

// shortExplanation is the server's own text, what decided alone, with the decisions, the first word of each line, coloured.
func (a *app) shortExplanation(answer *ostiaryv1.ExplainResponse) string {
	var painted strings.Builder
	for line := range strings.Lines(strings.TrimRight(answer.GetText(), "\n")) {
		word := strings.TrimLeft(line, " ")
		indent := line[:len(line)-len(word)]
		for decision, c := range map[string]color{"allowed": green, "denied": red} {
			if rest, ok := strings.CutPrefix(word, decision); ok {
				word = a.paintOut(c, decision) + rest
				break
			}
		}
		painted.WriteString(indent + word)
	}
	return painted.String()
}

// explainedAt names what an explanation is of.
func explainedAt(answer *ostiaryv1.ExplainResponse) string {
	return fmt.Sprintf("revision %d, model %s", answer.GetRevision(), answer.GetAuthorizationModelId())
}

type explainWriter struct {
	*app
	text strings.Builder
}

// write writes n and what is below it. above is the cost of a step above that has no line.
func (w *explainWriter) write(n *ostiaryv1.ExplainNode, indent string, above *ostiaryv1.ExplainCost) {
	cost := n.GetCost()
	if cost.GetReads() == 0 && above.GetReads() > 0 {
		cost = above
	}
	if w.silent(n) {
		w.write(n.GetChildren()[0], indent, cost)
		return
	}
	w.line(n, indent, cost)
	for _, child := range n.GetChildren() {
		w.write(child, indent+"  ", nil)
	}
	for _, other := range n.GetOthers() {
		w.write(other, indent+"| ", nil)
	}
	if n.GetMore() > 0 {
		fmt.Fprintf(&w.text, "%s  … %d more\n", indent, n.GetMore())
	}
}

// silent reports whether a line for n would say nothing that its only child does not say.
func (w *explainWriter) silent(n *ostiaryv1.ExplainNode) bool {
	if len(n.GetChildren()) != 1 || len(n.GetOthers()) > 0 || n.GetMore() > 0 || n.GetNote() != "" || n.GetUndefined() {
		return false
	}
	switch n.GetKind() {
	case "direct", "tuple-to-userset", "computed":
		return true
	case "union":
		return n.GetOutcome() == ostiaryv1.Outcome_OUTCOME_ALLOWED
	}
	return false
}

func (w *explainWriter) line(n *ostiaryv1.ExplainNode, indent string, cost *ostiaryv1.ExplainCost) {
	outcome := strings.ToLower(strings.TrimPrefix(n.GetOutcome().String(), "OUTCOME_"))
	padding := strings.Repeat(" ", max(0, 7-len(outcome)))
	switch n.GetOutcome() {
	case ostiaryv1.Outcome_OUTCOME_ALLOWED:
		outcome = w.paintOut(green, outcome)
	case ostiaryv1.Outcome_OUTCOME_DENIED:
		outcome = w.paintOut(red, outcome)
	}
	fmt.Fprintf(&w.text, "%s%s%s  %s", indent, outcome, padding, explainLabel(n))
	if n.GetContextual() {
		w.text.WriteString(" (came with the question)")
	}
	if n.GetNote() != "" {
		fmt.Fprintf(&w.text, " (%s)", n.GetNote())
	}
	if n.GetUndefined() {
		w.text.WriteString(" (undefined)")
	}
	if text := explainCost(n, cost); text != "" {
		w.text.WriteString("  " + w.paintOut(faint, "["+text+"]"))
	}
	w.text.WriteByte('\n')
}

func explainLabel(n *ostiaryv1.ExplainNode) string {
	switch {
	case n.GetTuple() != "":
		return n.GetTuple()
	case n.GetObject() != "":
		return n.GetObject() + "#" + n.GetRelation()
	}
	switch n.GetKind() {
	case "union":
		return "or"
	case "intersection":
		return "and"
	case "difference":
		return "but not"
	}
	return n.GetKind()
}

// explainCost says what a step has cost: of a leaf its own, of a relation all that rests on it.
func explainCost(n *ostiaryv1.ExplainNode, c *ostiaryv1.ExplainCost) string {
	reads, micros := c.GetReads(), c.GetMicros()
	if n.GetKind() == "relation" {
		reads, micros = c.GetTotalReads(), c.GetTotalMicros()
	}
	if reads == 0 {
		return ""
	}
	text := fmt.Sprintf("%d reads, %d µs", reads, micros)
	if reads == 1 {
		text = fmt.Sprintf("1 read, %d µs", micros)
	}
	switch {
	case n.GetKind() == "relation":
	case c.GetFetched() > 0:
		text += ", from storage"
	case c.GetCached() > 0:
		text += ", cached"
	}
	return text
}
