package reference

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// headerTexts are the request headers of ours.
var headerTexts = map[string]string{
	"ostiary-at-least":               "A consistency token: the answer is from a state at least as new.",
	"ostiary-as-of":                  "A consistency token or a time (RFC 3339): the answer is of exactly that state.",
	"ostiary-continuation":           "From an answer that was cut: the list goes on after it, at the same revision.",
	"ostiary-idempotency-key":        "The client's name for the request, 1 to 128 letters, digits or characters of -_.:/+=. However often it is sent with it, the request takes effect once.",
	"openfga-authorization-model-id": "The model to ask. Without it the one that was written last.",
}

const preamble = "Relationship-based authorization: OpenFGA's API (`openfga.v1`), OpenID AuthZEN (`authzen.v1`), what Ostiary has beside " +
	"them (`ostiary.v1`), and what identity providers and receivers of Shared Signals call.\n\n" +
	"Every answer of a method carries `ostiary-revision`, the revision that it is true at, and `ostiary-token`, the same as a consistency " +
	"token to send back as `ostiary-at-least`. Fields that a message does not have are passed over. Errors have the body `Error`."

// OpenAPI returns the document, as JSON, for HTTP. The version is that of the API and not of a server.
func (a *API) OpenAPI() ([]byte, error) {
	s := &schemas{words: a.words, all: object{
		"Error": object{"type": "object", "required": []string{"code", "message"}, "properties": object{
			"code":    object{"type": "string", "description": "The name of the error. Example: `validation_error`."},
			"message": object{"type": "string", "description": "What is wrong, and what to do."},
		}},
	}}
	paths, tags := object{}, []object{}
	for _, service := range a.Services {
		before := len(paths)
		for _, m := range service.Methods {
			for i, r := range m.Routes {
				operation, path, err := s.operation(m, r, i)
				if err == nil {
					err = put(paths, path, r.Verb, operation)
				}
				if err != nil {
					return nil, err
				}
			}
		}
		if len(paths) > before {
			tags = append(tags, object{"name": string(service.FullName()), "description": markdown(service.Text)})
		}
	}
	named := map[string]bool{}
	for _, h := range a.Handlers {
		if err := put(paths, h.Path, h.Verb, h.operation()); err != nil {
			return nil, err
		}
		if !named[h.Tag] {
			named[h.Tag] = true
			tags = append(tags, object{"name": h.Tag})
		}
	}
	document := object{
		"openapi":    "3.0.3",
		"info":       object{"title": "Ostiary", "version": "1", "description": preamble},
		"tags":       tags,
		"paths":      paths,
		"security":   []object{{"key": []string{}}},
		"components": object{"schemas": s.all, "securitySchemes": securitySchemes, "responses": sharedResponses},
	}
	var text bytes.Buffer
	e := json.NewEncoder(&text)
	e.SetEscapeHTML(false)
	e.SetIndent("", " ")
	if err := e.Encode(document); err != nil {
		return nil, fmt.Errorf("write the OpenAPI document: %w", err)
	}
	return text.Bytes(), nil
}

var securitySchemes = object{
	"key":        object{"type": "http", "scheme": "bearer", "description": "A pre-shared key, or an access token of OpenID Connect (docs/access.md). A server that asks nobody needs none."},
	"connection": object{"type": "http", "scheme": "bearer", "description": "A token of the connection that the path names (docs/scim.md), or an access token that `/oauth/token` made."},
	"client":     object{"type": "http", "scheme": "basic", "description": "The id and the secret of an OAuth client, or a client assertion in the form (docs/oauth.md)."},
	"provider":   object{"type": "http", "scheme": "bearer", "bearerFormat": "JWT", "description": "A token of the identity provider's own, as the connection is configured."},
}

// sharedResponses are those that every method has.
var sharedResponses = func() object {
	all := object{}
	for name, text := range map[string]string{
		"Invalid":         "A field is malformed, or does not fit the model.",
		"Unauthenticated": "No key, or one that the server does not know.",
		"Forbidden":       "The caller may not do that, whether what it asks about exists or not.",
		"NotFound":        "What the path names does not exist.",
		"Failed":          "Another error. `Retry-After` of 429 and 503 says when to come back.",
	} {
		all[name] = object{"description": text, "content": object{"application/json": object{"schema": ref("Error")}}}
	}
	return all
}()

func put(paths object, path, verb string, operation object) error {
	item, ok := paths[path].(object)
	if !ok {
		item = object{}
		paths[path] = item
	}
	verb = strings.ToLower(verb)
	if item[verb] != nil {
		return fmt.Errorf("two operations are %s %s", verb, path)
	}
	item[verb] = operation
	return nil
}

// variable is one of a path: {store_id}, {webhook.id} or {id=*/*}.
var variable = regexp.MustCompile(`\{([\w.]+)(=[^}]*)?\}`)

// operation returns that of one route of a method, and the path as OpenAPI has it.
func (s *schemas) operation(m *Method, r Route, nth int) (operation object, path string, err error) {
	bound := map[string]bool{}
	var parameters []object
	path = variable.ReplaceAllStringFunc(r.Path, func(v string) string {
		found := variable.FindStringSubmatch(v)
		name := found[1]
		bound[name] = true
		f := fieldAt(m.Input(), name)
		if f == nil {
			err = fmt.Errorf("%s: %s names no field of %s", r.Path, name, m.Input().FullName())
			return v
		}
		schema, _ := s.field(f)
		text, _ := schema["description"].(string)
		delete(schema, "description")
		name = name[strings.LastIndex(name, ".")+1:]
		if found[2] == "" {
			parameters = append(parameters, object{"name": name, "in": "path", "required": true, "schema": schema, "description": text})
			return "{" + name + "}"
		}
		parts := strings.Split(strings.TrimPrefix(found[2], "="), "/")
		for i := range parts {
			parts[i] = fmt.Sprintf("%s.%d", name, i+1)
			parameters = append(parameters, object{"name": parts[i], "in": "path", "required": true, "schema": object{"type": "string"},
				"description": strings.TrimSpace(fmt.Sprintf("Part %d of %d, between slashes, of the %s. %s", i+1, strings.Count(found[2], "/")+1, name, text))})
			parts[i] = "{" + parts[i] + "}"
		}
		return strings.Join(parts, "/")
	})
	if err != nil {
		return nil, "", err
	}
	operation = object{
		"operationId": fmt.Sprintf("%s_%s", m.Parent().Name(), m.Name()),
		"tags":        []string{string(m.Parent().FullName())},
		"summary":     firstSentence(m.Text), "description": markdown(m.Text),
		"x-ostiary-right": m.Right, "x-ostiary-method": fmt.Sprintf("/%s/%s", m.Parent().FullName(), m.Name()),
	}
	if nth > 0 {
		operation["operationId"] = fmt.Sprintf("%s_%d", operation["operationId"], nth+1)
	}
	switch r.Body {
	case "*":
		operation["requestBody"] = body(s.body(m.Input(), bound))
	case "":
		parameters = append(parameters, s.query(m.Input(), "", bound, 0)...)
	default:
		f := m.Input().Fields().ByName(protoreflect.Name(r.Body))
		if f == nil {
			return nil, "", fmt.Errorf("%s: the body is %s, which is no field of %s", r.Path, r.Body, m.Input().FullName())
		}
		schema, _ := s.field(f)
		operation["requestBody"] = body(schema)
		bound[r.Body] = true
		parameters = append(parameters, s.query(m.Input(), "", bound, 0)...)
	}
	for _, name := range append([]string{"ostiary-at-least"}, m.Headers...) {
		parameters = append(parameters, object{"name": name, "in": "header", "schema": object{"type": "string"}, "description": headerTexts[name]})
	}
	operation["parameters"] = parameters
	operation["responses"] = s.responses(m)
	return operation, path, nil
}

func body(schema object) object {
	return object{"required": true, "content": object{"application/json": object{"schema": schema}}}
}

// fieldAt returns the field that a path with dots names.
func fieldAt(m protoreflect.MessageDescriptor, path string) protoreflect.FieldDescriptor {
	name, rest, nested := strings.Cut(path, ".")
	f := m.Fields().ByName(protoreflect.Name(name))
	if f == nil || !nested {
		return f
	}
	if f.Message() == nil {
		return nil
	}
	return fieldAt(f.Message(), rest)
}

// body returns the schema of a request without the fields that stand in its path.
func (s *schemas) body(m protoreflect.MessageDescriptor, bound map[string]bool) object {
	name := string(m.FullName())
	if s.all[name] == nil {
		s.all[name] = s.fields(m, bound)
	}
	return ref(name)
}

// maxQueryDepth is how deep fields of messages stand in a query.
const maxQueryDepth = 2

// query returns the parameters for the fields of a message that stand nowhere else.
func (s *schemas) query(m protoreflect.MessageDescriptor, prefix string, bound map[string]bool, depth int) []object {
	var all []object
	for i := range m.Fields().Len() {
		f := m.Fields().Get(i)
		name := prefix + string(f.Name())
		if bound[name] || f.IsMap() {
			continue
		}
		if f.Message() != nil && wellKnown[f.Message().FullName()] == nil {
			if depth < maxQueryDepth && !f.IsList() {
				all = append(all, s.query(f.Message(), name+".", bound, depth+1)...)
			}
			continue
		}
		schema, _ := s.field(f)
		text, _ := schema["description"].(string)
		delete(schema, "description")
		p := object{"name": name, "in": "query", "schema": schema}
		if text != "" {
			p["description"] = text
		}
		all = append(all, p)
	}
	return all
}

var answerHeaders = object{
	"ostiary-revision": object{"schema": object{"type": "string"}, "description": "The revision that the answer is true at."},
	"ostiary-token":    object{"schema": object{"type": "string"}, "description": "The same as a consistency token."},
}

func (s *schemas) responses(m *Method) object {
	schema := s.message(m.Output())
	text := "The answer."
	if m.IsStreamingServer() {
		text = "One JSON object a line: `result` with the next part, or `error` with what ended the stream."
		schema = object{"type": "object", "properties": object{"result": schema, "error": object{"type": "object", "additionalProperties": true}}}
	}
	answer := object{"description": text, "headers": answerHeaders}
	if m.Status != 204 {
		answer["content"] = object{"application/json": object{"schema": schema}}
	}
	all := object{strconv.Itoa(m.Status): answer}
	for status, name := range map[string]string{"400": "Invalid", "401": "Unauthenticated", "403": "Forbidden", "404": "NotFound", "default": "Failed"} {
		all[status] = object{"$ref": "#/components/responses/" + name}
	}
	return all
}

// operation returns that of a handler.
func (h Handler) operation() object {
	id := strings.ToLower(h.Verb) + strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			return r
		}
		return '_'
	}, h.Path)
	answer := object{"description": "Done."}
	if h.Answers != "" {
		answer = object{"description": "The answer.", "content": object{h.Answers: object{"schema": object{}}}}
	}
	operation := object{
		"operationId": id, "tags": []string{h.Tag}, "summary": h.Summary, "x-ostiary-handler": true,
		"responses": object{strconv.Itoa(h.Status): answer, "default": object{"description": "An error, in the form of the protocol."}},
		"security":  []object{},
	}
	if h.Text != "" {
		operation["description"] = toPage.ReplaceAllString(h.Text, "$1 (docs/$2)")
	}
	if h.Authentication != "" {
		operation["security"] = []object{{h.Authentication: []string{}}}
	}
	if h.Takes != "" {
		operation["requestBody"] = object{"required": true, "content": object{h.Takes: object{"schema": object{}}}}
	}
	var parameters []object
	for _, v := range variable.FindAllStringSubmatch(h.Path, -1) {
		parameters = append(parameters, object{"name": v[1], "in": "path", "required": true, "schema": object{"type": "string"}, "description": h.Parameters[v[1]]})
	}
	var query []string
	for name := range h.Parameters {
		if !strings.Contains(h.Path, "{"+name+"}") {
			query = append(query, name)
		}
	}
	slices.Sort(query)
	for _, name := range query {
		parameters = append(parameters, object{"name": name, "in": "query", "schema": object{"type": "string"}, "description": h.Parameters[name]})
	}
	if parameters != nil {
		operation["parameters"] = parameters
	}
	return operation
}
