package reference

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/envoyproxy/protoc-gen-validate/validate"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// Page is a page of Markdown.
type Page struct {
	File string
	Text []byte
}

const generatedNote = "<!-- Written by 'make docs' from descriptors, comments and the table of rights. Do not edit. -->\n"

// Pages returns a page for each service, and one of what is no method.
func (a *API) Pages() []Page {
	var all []Page
	for _, s := range a.Services {
		all = append(all, Page{File: string(s.FullName()) + ".md", Text: a.page(s)})
	}
	return append(all, Page{File: handlersFile, Text: a.handlersPage()})
}

// Index returns the list of the pages, for the page that leads to them.
func (a *API) Index() string {
	var b strings.Builder
	b.WriteString("| page | methods | what for |\n|---|---|---|\n")
	for _, s := range a.Services {
		fmt.Fprintf(&b, "| [%s](%s.md) | %d | %s |\n", s.FullName(), s.FullName(), len(s.Methods), cell(firstSentence(s.Text)))
	}
	fmt.Fprintf(&b, "| [HTTP alone](%s) | %d | SCIM, OAuth, token revocation, logout, Shared Signals, keys, health: what is no method of gRPC. |\n", handlersFile, len(a.Handlers))
	return b.String()
}

// page is that of a service: its methods, and then the messages that they speak.
func (a *API) page(s *Service) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "# %s\n\n%s\n%s\n\nMethods: ", s.FullName(), generatedNote, markdown(s.Text))
	for i, m := range s.Methods {
		if i > 0 {
			b.WriteString(" · ")
		}
		fmt.Fprintf(&b, "[%s](#%s)", m.Name(), anchor(string(m.Name())))
	}
	b.WriteString("\n")
	messages := &closure{seen: map[protoreflect.FullName]bool{}}
	for _, m := range s.Methods {
		a.method(&b, m)
		messages.parts(m.Input())
		messages.parts(m.Output())
	}
	if len(messages.messages)+len(messages.enums) > 0 {
		b.WriteString("\n## Messages\n")
	}
	slices.SortFunc(messages.messages, func(a, b protoreflect.MessageDescriptor) int { return strings.Compare(title(a), title(b)) })
	for _, m := range messages.messages {
		fmt.Fprintf(&b, "\n### %s\n\n", title(m))
		if text := a.words[string(m.FullName())]; text != "" {
			b.WriteString(markdown(text) + "\n\n")
		}
		a.table(&b, m)
	}
	slices.SortFunc(messages.enums, func(a, b protoreflect.EnumDescriptor) int { return strings.Compare(title(a), title(b)) })
	for _, e := range messages.enums {
		a.enum(&b, e)
	}
	return []byte(b.String())
}

func (a *API) method(b *strings.Builder, m *Method) {
	fmt.Fprintf(b, "\n## %s\n\n%s\n\n", m.Name(), markdown(m.Text))
	fmt.Fprintf(b, "| | |\n|---|---|\n| gRPC | `/%s/%s`%s |\n", m.Parent().FullName(), m.Name(), map[bool]string{true: ", a stream of answers"}[m.IsStreamingServer()])
	for _, r := range m.Routes {
		fmt.Fprintf(b, "| HTTP | `%s %s`", r.Verb, r.Path)
		if r.Body != "" && r.Body != "*" {
			fmt.Fprintf(b, ", whose body is `%s`", r.Body)
		}
		fmt.Fprintf(b, "; %d |\n", m.Status)
	}
	if len(m.Routes) == 0 {
		b.WriteString("| HTTP | not there |\n")
	}
	fmt.Fprintf(b, "| needs | %s |\n", cell(m.Right))
	if len(m.Headers) > 0 {
		fmt.Fprintf(b, "| headers | `%s` |\n", strings.Join(m.Headers, "`, `"))
	}
	fmt.Fprintf(b, "\n%s:\n\n", m.Input().Name())
	a.table(b, m.Input())
	fmt.Fprintf(b, "\n%s:\n\n", m.Output().Name())
	a.table(b, m.Output())
}

// table lists the fields of a message.
func (a *API) table(b *strings.Builder, m protoreflect.MessageDescriptor) {
	if m.Fields().Len() == 0 {
		b.WriteString("No fields.\n")
		return
	}
	b.WriteString("| field | type | |\n|---|---|---|\n")
	for i := range m.Fields().Len() {
		f := m.Fields().Get(i)
		fmt.Fprintf(b, "| `%s` | %s | %s |\n", f.JSONName(), typeOf(f), strings.TrimSpace(cell(a.words.field(f))+" "+bounds(f)))
	}
}

func (a *API) enum(b *strings.Builder, e protoreflect.EnumDescriptor) {
	fmt.Fprintf(b, "\n### %s\n\n", title(e))
	if text := a.words[string(e.FullName())]; text != "" {
		b.WriteString(markdown(text) + "\n\n")
	}
	b.WriteString("| value | |\n|---|---|\n")
	for i := range e.Values().Len() {
		v := e.Values().Get(i)
		fmt.Fprintf(b, "| `%s` | %s |\n", v.Name(), cell(a.words[string(e.FullName())+"."+string(v.Name())]))
	}
}

// closure gathers what a service's messages are made of.
type closure struct {
	seen     map[protoreflect.FullName]bool
	messages []protoreflect.MessageDescriptor
	enums    []protoreflect.EnumDescriptor
}

func (c *closure) parts(m protoreflect.MessageDescriptor) {
	for i := range m.Fields().Len() {
		f := m.Fields().Get(i)
		if f.IsMap() {
			f = f.MapValue()
		}
		if e := f.Enum(); e != nil && !c.seen[e.FullName()] && e.FullName() != "google.protobuf.NullValue" {
			c.seen[e.FullName()] = true
			c.enums = append(c.enums, e)
		}
		if part := f.Message(); part != nil && !c.seen[part.FullName()] && wellKnown[part.FullName()] == nil {
			c.seen[part.FullName()] = true
			c.messages = append(c.messages, part)
			c.parts(part)
		}
	}
}

// title is the name of a message or enum without its package.
func title(d protoreflect.Descriptor) string {
	return strings.TrimPrefix(string(d.FullName()), string(d.ParentFile().Package())+".")
}

func typeOf(f protoreflect.FieldDescriptor) string {
	switch {
	case f.IsMap():
		return "map of " + typeOf(f.MapValue())
	case f.IsList():
		return "list of " + kindOf(f)
	}
	return kindOf(f)
}

func kindOf(f protoreflect.FieldDescriptor) string {
	switch {
	case f.Enum() != nil:
		return fmt.Sprintf("[%s](#%s)", title(f.Enum()), anchor(title(f.Enum())))
	case f.Message() == nil:
		return f.Kind().String()
	}
	switch name := f.Message().FullName(); {
	case name == "google.protobuf.Timestamp":
		return "time (RFC 3339)"
	case name == "google.protobuf.Duration":
		return "duration in seconds (`300s`)"
	case name == "google.protobuf.Struct", name == "google.protobuf.Value", name == "google.protobuf.ListValue":
		return "JSON"
	case wellKnown[name] != nil:
		return strings.ToLower(strings.TrimSuffix(string(f.Message().Name()), "Value"))
	}
	return fmt.Sprintf("[%s](#%s)", title(f.Message()), anchor(title(f.Message())))
}

// anchor is what a heading is called in links.
func anchor(heading string) string { return strings.ToLower(strings.ReplaceAll(heading, ".", "")) }

// bounds says the rules that a descriptor has for a field.
func bounds(f protoreflect.FieldDescriptor) string {
	rules, _ := proto.GetExtension(f.Options(), validate.E_Rules).(*validate.FieldRules)
	var all []string
	say := func(format string, args ...any) { all = append(all, fmt.Sprintf(format, args...)) }
	r := rules.GetString_()
	if rules.GetMessage().GetRequired() {
		say("required")
	}
	if r.GetPattern() != "" {
		if !r.GetIgnoreEmpty() && !strings.HasPrefix(r.GetPattern(), orEmpty) {
			say("required")
		}
		say("matches `%s`", strings.ReplaceAll(r.GetPattern(), "|", `\|`))
	}
	if r.GetMaxBytes() > 0 {
		say("at most %d bytes", r.GetMaxBytes())
	}
	if len(r.GetIn()) > 0 {
		say("one of `%s`", strings.Join(r.GetIn(), "`, `"))
	}
	if i := rules.GetInt32(); i != nil && i.Gte != nil {
		if i.Lte != nil {
			say("%d to %d", i.GetGte(), i.GetLte())
		} else {
			say("from %d", i.GetGte())
		}
	}
	if u := rules.GetUint32(); u != nil && u.Lte != nil {
		say("at most %d", u.GetLte())
	}
	if l := rules.GetRepeated(); l != nil {
		if l.GetMinItems() > 0 {
			say("at least %d", l.GetMinItems())
		}
		if l.MaxItems != nil {
			say("at most %d", l.GetMaxItems())
		}
	}
	if n := rules.GetMap().GetMaxPairs(); n > 0 {
		say("at most %d", n)
	}
	if len(all) == 0 {
		return ""
	}
	text := strings.Join(all, "; ")
	return strings.ToUpper(text[:1]) + text[1:] + "."
}

const handlersFile = "http.md"

// handlersPage lists what is no method of gRPC.
func (a *API) handlersPage() []byte {
	var b strings.Builder
	b.WriteString("# HTTP alone\n\n" + generatedNote + "\nPaths on the HTTP listener that are no methods of gRPC. They speak protocols of others, with the " +
		"errors of those; each links to the page that says more.\n")
	tag := ""
	for _, h := range a.Handlers {
		if h.Tag != tag {
			tag = h.Tag
			fmt.Fprintf(&b, "\n## %s\n\n| request | authentication | what it does |\n|---|---|---|\n", tag)
		}
		authentication := h.Authentication
		if authentication == "" {
			authentication = "none"
		}
		text := cell(h.Summary)
		if h.Text != "" {
			text += " " + strings.ReplaceAll(h.Text, "\n", " ")
		}
		fmt.Fprintf(&b, "| `%s %s` | %s | %s |\n", h.Verb, h.Path, authentication, text)
	}
	b.WriteString("\nAuthentication is `connection`: a bearer token of the connection; `client`: the id and secret of an OAuth client, or its assertion; " +
		"`provider`: a token that the identity provider signed; `key`: a caller's key. Where it is none, what is sent proves itself, or is public.\n")
	return []byte(b.String())
}

var (
	labelled   = regexp.MustCompile(`(?m)^((?:Consistency|Errors|Limits|Rights|May be retried|Safe to retry|Cost)[^:\n.]*):`)
	blankLines = regexp.MustCompile(`\n{3,}`)
	// toPage is a link of a page to another.
	toPage  = regexp.MustCompile(`\[([^\]]*)\]\(\.\./([^)]*)\)`)
	quoted  = regexp.MustCompile(`"[^"\n]*"`)
	escaped = strings.NewReplacer("*", `\*`, "<", "&lt;")
)

// markdown makes Markdown of a comment: what is quoted becomes code, and labels begin paragraphs.
func markdown(text string) string {
	text = labelled.ReplaceAllString(text, "\n**$1**:")
	var b strings.Builder
	at := 0
	for _, q := range quoted.FindAllStringIndex(text, -1) {
		b.WriteString(escape(text[at:q[0]]))
		b.WriteString("`" + text[q[0]:q[1]] + "`")
		at = q[1]
	}
	b.WriteString(escape(text[at:]))
	return blankLines.ReplaceAllString(strings.TrimSpace(b.String()), "\n\n")
}

func escape(text string) string {
	const mark = "\x00"
	text = strings.ReplaceAll(text, "**", mark)
	return strings.ReplaceAll(escaped.Replace(text), mark, "**")
}

// cell is markdown for a cell of a table.
func cell(text string) string {
	return strings.ReplaceAll(strings.Join(strings.Fields(markdown(text)), " "), "|", `\|`)
}

// firstSentence is what a text begins with.
func firstSentence(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	if i := strings.Index(text, ". "); i > 0 {
		return text[:i+1]
	}
	if i := strings.Index(text, ": "); i > 0 && i < len(text)-200 {
		return text[:i] + "."
	}
	return text
}
