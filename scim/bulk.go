package scim

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/ostiary/ostiary/identity"
	"github.com/ostiary/ostiary/scim/query"
	"github.com/ostiary/ostiary/scim/resource"
	"github.com/ostiary/ostiary/scim/scimerr"
)

// bulkPrefix begins a reference to a resource that an operation of the same request makes.
const bulkPrefix = "bulkId:"

// operation is one operation of a Bulk request.
type operation struct {
	method, path, bulkID, version string
	data                          any
	result                        *bulkResult // nil: not yet run
}

type bulkResult struct {
	Location string          `json:"location,omitempty"`
	Method   string          `json:"method"`
	BulkID   string          `json:"bulkId,omitempty"`
	Version  string          `json:"version,omitempty"`
	Response json.RawMessage `json:"response,omitempty"`
	Status   string          `json:"status"`
	id       string
	failed   bool
}

// bulk runs the operations of a request (RFC 7644, section 3.7), each as a mutation of its own: one that is
// refused does not undo others. Operations run in their order, but after those that make what they refer to.
func (c *call) bulk() (answer, error) {
	select {
	case c.h.bulks <- struct{}{}:
		defer func() { <-c.h.bulks }()
	case <-c.ctx.Done():
		return answer{}, fmt.Errorf("wait for other Bulk requests: %w", c.ctx.Err())
	}
	operations, limit, err := c.readBulk()
	if err != nil {
		return answer{}, err
	}
	if err := c.h.spend(c.dir.Connection().ID, len(operations)-1); err != nil {
		return answer{}, err
	}
	c.runBulk(operations, limit)
	response := struct {
		Schemas    [1]string     `json:"schemas"`
		Operations []*bulkResult `json:"Operations"`
	}{[1]string{resource.BulkResponse}, []*bulkResult{}}
	for _, op := range operations {
		if op.result != nil {
			response.Operations = append(response.Operations, op.result)
		}
	}
	body, _ := json.Marshal(response) // valid JSON and strings: it cannot fail
	return answer{status: http.StatusOK, body: body}, nil
}

// readBulk checks the message. Limit is how many operations may fail, 0 for all.
func (c *call) readBulk() ([]*operation, int, error) {
	body, err := resource.ParseObject(c.body)
	if err != nil {
		return nil, 0, err
	}
	schemas, _ := body.Get("schemas").([]any)
	if !slices.Contains(schemas, any(resource.BulkRequest)) {
		return nil, 0, scimerr.Bad(scimerr.InvalidSyntax, "\"schemas\" does not name %s", resource.BulkRequest)
	}
	list, ok := body.Get("Operations").([]any)
	if !ok || len(list) == 0 {
		return nil, 0, scimerr.Bad(scimerr.InvalidSyntax, "\"Operations\" must be a list of one or more operations")
	}
	if len(list) > c.h.o.MaxBulkOperations {
		return nil, 0, scimerr.New(http.StatusRequestEntityTooLarge, "", "%d operations are more than the %d of one request (maxOperations)",
			len(list), c.h.o.MaxBulkOperations)
	}
	limit := 0
	if n, ok := body.Get("failOnErrors").(json.Number); ok {
		if limit, err = strconv.Atoi(n.String()); err != nil || limit < 0 {
			return nil, 0, scimerr.Bad(scimerr.InvalidSyntax, "\"failOnErrors\" is not a whole number")
		}
	}
	operations := make([]*operation, len(list))
	ids := map[string]bool{}
	for i, element := range list {
		if operations[i], err = readOperation(element); err != nil {
			return nil, 0, scimerr.Bad(scimerr.InvalidSyntax, "operation %d: %v", i+1, err)
		}
		id := operations[i].bulkID
		if id != "" && ids[id] {
			return nil, 0, scimerr.Bad(scimerr.InvalidSyntax, "operation %d: its \"bulkId\" is there twice", i+1)
		}
		ids[id] = true
	}
	return operations, limit, nil
}

func readOperation(element any) (*operation, error) {
	o, ok := element.(*resource.Object)
	if !ok {
		return nil, errors.New("it is not an object")
	}
	op := &operation{data: o.Get("data")}
	for name, into := range map[string]*string{"method": &op.method, "path": &op.path, "bulkId": &op.bulkID, "version": &op.version} {
		value := o.Get(name)
		if *into, ok = value.(string); !ok && value != nil {
			return nil, errors.New("\"" + name + "\" is not a string")
		}
	}
	op.method = strings.ToUpper(op.method)
	switch {
	case !slices.Contains([]string{http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete}, op.method):
		return nil, errors.New("\"method\" must be POST, PUT, PATCH or DELETE")
	case !strings.HasPrefix(op.path, "/"):
		return nil, errors.New("\"path\" must begin with a slash")
	case op.method == http.MethodPost && op.bulkID == "":
		return nil, errors.New("POST needs a \"bulkId\"")
	}
	return op, nil
}

// runBulk runs operations until nothing is left, too many have failed, or what is left waits for itself.
func (c *call) runBulk(operations []*operation, limit int) {
	made := map[string]string{} // ids by bulkId
	failures := 0
	turns := newSchedule(references(operations))
	for i, ok := turns.next(); ok; i, ok = turns.next() {
		if err := c.ctx.Err(); err != nil {
			refuseRest(operations, err)
			return
		}
		op := operations[i]
		op.result = c.runOperation(op, made)
		turns.finish(i)
		if op.result.failed {
			failures++
		} else if op.method == http.MethodPost {
			made[op.bulkID] = op.result.id
		}
		if limit > 0 && failures >= limit {
			return // RFC 7644, section 3.7: the rest is not in the answer
		}
	}
	refuseRest(operations, scimerr.New(http.StatusConflict, "", "it refers to operations that refer to it"))
}

// refuseRest refuses the operations that have not run.
func refuseRest(operations []*operation, err error) {
	for _, op := range operations {
		if op.result == nil {
			op.result = op.refused(err)
		}
	}
}

func (c *call) runOperation(op *operation, made map[string]string) *bulkResult {
	unknown := ""
	refer := func(text string) string {
		id, ok := strings.CutPrefix(text, bulkPrefix)
		if !ok {
			return text
		}
		if made[id] == "" {
			unknown = id
		}
		return made[id]
	}
	parts := strings.Split(strings.Trim(op.path, "/"), "/")
	for i := range parts {
		parts[i] = refer(parts[i])
	}
	data := replaceTexts(op.data, refer)
	if unknown != "" {
		return op.refused(scimerr.Bad(scimerr.InvalidValue, "no operation has made bulkId:%.100s", unknown))
	}
	if op.method != http.MethodPost && len(parts) != 2 || op.method == http.MethodPost && len(parts) != 1 || parts[0] != "Users" && parts[0] != "Groups" {
		return op.refused(noEndpoint())
	}
	sub := *c
	sub.request = &identity.Request{ID: c.request.ID, Method: op.method, Path: loggedPath(parts, func(string) bool { return false })}
	sub.ctx = identity.WithRequest(c.ctx, sub.request)
	sub.method, sub.path, sub.params, sub.ifMatch, sub.ifNone, sub.inBulk = op.method, parts, query.Params{}, op.version, "", true
	sub.body, sub.data = nil, nil
	if o, ok := data.(*resource.Object); ok {
		sub.data = o
	}
	a, err := sub.route()
	if err != nil {
		c.h.observeRefusal(err)
		sub.noteOperation(refusalOf(err).Status, err)
		return op.refused(err)
	}
	sub.noteOperation(a.status, nil)
	r := &bulkResult{Location: a.location, Method: op.method, BulkID: op.bulkID, Version: a.tag, Status: strconv.Itoa(a.status)}
	if r.Location == "" {
		r.Location = c.base + "/" + strings.Join(parts, "/")
	}
	r.id = a.location[strings.LastIndexByte(a.location, '/')+1:]
	return r
}

// refused is the result of an operation that failed.
func (op *operation) refused(err error) *bulkResult {
	e := refusalOf(err)
	response, _ := json.Marshal(e) // strings: it cannot fail
	return &bulkResult{Method: op.method, BulkID: op.bulkID, Status: strconv.Itoa(e.Status), Response: response, failed: true}
}

// replaceTexts returns a JSON value with each string, but for names, replaced.
func replaceTexts(value any, replace func(string) string) any {
	switch value := value.(type) {
	case string:
		return replace(value)
	case []any:
		list := make([]any, len(value))
		for i := range value {
			list[i] = replaceTexts(value[i], replace)
		}
		return list
	case *resource.Object:
		o := &resource.Object{Fields: make([]resource.Field, len(value.Fields))}
		for i, f := range value.Fields {
			o.Fields[i] = resource.Field{Name: f.Name, Value: replaceTexts(f.Value, replace)}
		}
		return o
	default:
		return value
	}
}
