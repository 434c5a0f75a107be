package reference

import (
	_ "embed"
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

//go:embed words.yaml
var wordsYAML []byte

//go:embed handlers.yaml
var handlersYAML []byte

// Options is what the reference is made from.
type Options struct {
	// Services are those that a server registers, without gRPC's own.
	Services []protoreflect.ServiceDescriptor
	// Generated is a folder of generated Go code with the comments of the services' proto files; words.yaml has those of
	// the packages that are not in it.
	Generated string
	// HTTPRules maps methods to HTTP where descriptors do not: a google.api.Service as YAML.
	HTTPRules []byte
	// Right says what a caller needs for a method of gRPC, such as "reader of the store".
	Right func(method string) string
	// Headers names the request headers that a method knows beside those that all know.
	Headers func(method string) []string
	// Status is the HTTP status of an answer.
	Status func(answer protoreflect.FullName) int
}

// API is what a server can be asked.
type API struct {
	Services []*Service
	Handlers []Handler
	words    words
}

// Service is one of gRPC.
type Service struct {
	protoreflect.ServiceDescriptor
	Text    string
	Methods []*Method
}

// Method is one of a service.
type Method struct {
	protoreflect.MethodDescriptor
	Text, Right string
	Headers     []string
	Status      int
	Routes      []Route
}

// Route is one at which a method is asked over HTTP.
type Route struct {
	Verb, Path string
	Body       string // "*", the name of a field, or empty
}

// Handler is a path that is no method of gRPC.
type Handler struct {
	Path, Verb, Tag, Summary, Text, Authentication, Takes, Answers string
	Parameters                                                     map[string]string
	Status                                                         int
}

// New gathers everything. The error names what has no words, and says where they belong.
func New(o Options) (*API, error) {
	api := &API{words: words{}}
	if err := yaml.Unmarshal(wordsYAML, &api.words); err != nil {
		return nil, fmt.Errorf("read words.yaml: %w", err)
	}
	if err := yaml.Unmarshal(handlersYAML, &api.Handlers); err != nil {
		return nil, fmt.Errorf("read handlers.yaml: %w", err)
	}
	comments, err := readGenerated(o.Generated)
	if err != nil {
		return nil, err
	}
	rules, err := rulesOf(o.HTTPRules)
	if err != nil {
		return nil, err
	}
	for _, d := range o.Services {
		if isOurs(d) {
			comments.of(d.ParentFile(), api.words)
			for i := range d.ParentFile().Imports().Len() {
				if file := d.ParentFile().Imports().Get(i); isOurs(file) {
					comments.of(file.FileDescriptor, api.words)
				}
			}
		}
		s, err := api.service(d, o, rules)
		if err != nil {
			return nil, err
		}
		api.Services = append(api.Services, s)
	}
	slices.SortFunc(api.Services, func(a, b *Service) int { return strings.Compare(string(a.FullName()), string(b.FullName())) })
	for name := range rules {
		return nil, fmt.Errorf("api/proto/http.yaml maps %s, which no service has", name)
	}
	return api, nil
}

func isOurs(d protoreflect.Descriptor) bool {
	return strings.HasPrefix(string(d.ParentFile().Package()), "ostiary.")
}

// service takes the routes of the service's methods out of rules.
func (a *API) service(d protoreflect.ServiceDescriptor, o Options, rules map[string][]Route) (*Service, error) {
	s := &Service{ServiceDescriptor: d, Text: a.words[string(d.FullName())]}
	if s.Text == "" {
		return nil, noWords(d)
	}
	for i := range d.Methods().Len() {
		m := d.Methods().Get(i)
		name := string(m.FullName())
		full := fmt.Sprintf("/%s/%s", d.FullName(), m.Name())
		routes := rules[name]
		delete(rules, name)
		if rule, ok := proto.GetExtension(m.Options(), annotations.E_Http).(*annotations.HttpRule); ok && rule != nil {
			routes = append(routes, routesOf(rule)...)
		}
		method := &Method{
			MethodDescriptor: m, Text: a.words[name], Right: o.Right(full), Headers: o.Headers(full),
			Status: o.Status(m.Output().FullName()), Routes: routes,
		}
		if method.Text == "" {
			return nil, noWords(m)
		}
		s.Methods = append(s.Methods, method)
	}
	return s, nil
}

func noWords(d protoreflect.Descriptor) error {
	if isOurs(d) {
		return fmt.Errorf("%s has no comment: write one in its proto file and run api/gen.sh", d.FullName())
	}
	return fmt.Errorf("%s has no words: write them in internal/reference/words.yaml", d.FullName())
}

// rulesOf reads routes from a google.api.Service.
func rulesOf(text []byte) (map[string][]Route, error) {
	var service struct {
		HTTP struct {
			Rules []struct{ Selector, Get, Post, Put, Delete, Patch, Body string }
		}
	}
	if err := yaml.Unmarshal(text, &service); err != nil {
		return nil, fmt.Errorf("read the rules of HTTP: %w", err)
	}
	all := map[string][]Route{}
	for _, r := range service.HTTP.Rules {
		for verb, path := range map[string]string{"GET": r.Get, "POST": r.Post, "PUT": r.Put, "DELETE": r.Delete, "PATCH": r.Patch} {
			if path != "" {
				all[r.Selector] = append(all[r.Selector], Route{Verb: verb, Path: path, Body: r.Body})
			}
		}
	}
	return all, nil
}

func routesOf(rule *annotations.HttpRule) []Route {
	r := Route{Body: rule.GetBody()}
	switch p := rule.GetPattern().(type) {
	case *annotations.HttpRule_Get:
		r.Verb, r.Path = "GET", p.Get
	case *annotations.HttpRule_Post:
		r.Verb, r.Path = "POST", p.Post
	case *annotations.HttpRule_Put:
		r.Verb, r.Path = "PUT", p.Put
	case *annotations.HttpRule_Delete:
		r.Verb, r.Path = "DELETE", p.Delete
	case *annotations.HttpRule_Patch:
		r.Verb, r.Path = "PATCH", p.Patch
	}
	routes := []Route{r}
	for _, more := range rule.GetAdditionalBindings() {
		routes = append(routes, routesOf(more)...)
	}
	return routes
}
