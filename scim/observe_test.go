package scim_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/ostiary/ostiary/identity"
	"github.com/ostiary/ostiary/scim"
)

// observed keeps what an observer is told.
type observed struct {
	mu   sync.Mutex
	told []string
}

func (o *observed) Answered(method, resource string, status int, took time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if took < 0 {
		method += " before it began"
	}
	o.told = append(o.told, fmt.Sprint(method, " ", resource, " ", status))
}

func (o *observed) Refused(reason string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.told = append(o.told, "refused: "+reason)
}

func (o *observed) take() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	told := o.told
	o.told = nil
	return told
}

// The observer is told of each request by words of closed sets, whatever the client sends, and why one or an
// operation of a Bulk request was refused.
func TestObserver(t *testing.T) {
	o := &observed{}
	w := newWorld(t, func(options *scim.Options, _ *identity.Connection) { options.Observer = o })
	want := func(told ...string) {
		t.Helper()
		// A request is told of after its answer is written.
		for end := time.Now().Add(30 * time.Second); ; time.Sleep(time.Millisecond) {
			o.mu.Lock()
			n := len(o.told)
			o.mu.Unlock()
			if n >= len(told) || time.Now().After(end) {
				break
			}
		}
		if got := o.take(); !slices.Equal(got, told) {
			t.Errorf("got %q, want %q", got, told)
		}
	}
	ann := `{` + userSchema + `,"userName":"ann"}`
	w.send("POST", "/Users", ann).want(201)
	want("POST Users 201")
	w.send("POST", "/Users", ann).want(409)
	want("POST Users 409", "refused: uniqueness")
	w.send("GET", "/Users?filter=nonsense", "").want(400)
	want("GET Users 400", "refused: invalidFilter")
	w.send("GET", "/ann@acme.test/secret", "").want(404)
	want("GET other 404", "refused: 404")
	w.send("BREW", "/Users", "").want(405)
	want("other Users 405", "refused: 405")
	w.send("POST", "/Bulk", `{`+bulkSchema+`,"Operations":[{"method":"POST","path":"/Users","bulkId":"1","data":`+ann+`}]}`).want(200)
	want("refused: uniqueness", "POST Bulk 200")
	reader := *w
	reader.bearer = w.token(identity.ScopeUsersRead)
	reader.send("POST", "/Users", ann).want(403)
	want("POST Users 403", "refused: forbidden")
	reader.bearer = "Bearer wrong"
	reader.send("GET", "/Users", "").want(401)
	want("GET Users 401", "refused: unauthenticated")
}
