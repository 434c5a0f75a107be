package oauth_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/ostiary/ostiary/oauth"
)

// Who has a network of IPv6 does not ask without a limit by going from one of its networks to the next.
func TestRateOfSites(t *testing.T) {
	stopped := time.Now().UnixNano()
	handler := oauth.New(oauth.Options{Now: func() int64 { return stopped }})
	ask := func(address string) int {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, oauth.TokenPath, strings.NewReader("x=y"))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.RemoteAddr = address
		answer := httptest.NewRecorder()
		handler.ServeHTTP(answer, r)
		return answer.Code
	}
	passed := 0
	for i := range 4_000 {
		if ask(fmt.Sprintf("[2001:db8:1:%x::%x]:443", i/10, i%10+1)) != http.StatusTooManyRequests {
			passed++
		}
	}
	if passed != 2_000 { // two seconds of five hosts
		t.Errorf("%d of 4000 requests of one site passed", passed)
	}
	for _, address := range []string{"[2001:db8:2:1::1]:443", "192.0.2.1:443", "[::ffff:192.0.2.2]:443"} {
		if got := ask(address); got != http.StatusBadRequest {
			t.Errorf("%s: got %d", address, got)
		}
	}
}
