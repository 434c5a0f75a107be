package api

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// Only so many bodies are decoded at once; one that waits gives up with its request, and goes on as soon as
// another has become a message. Requests without a body do not wait.
func TestBodiesDecodeInTurn(t *testing.T) {
	s := &Server{authenticator: Anonymous(), decoding: make(chan struct{}, 1)}
	s.limits = Limits{RequestTimeout: time.Minute, MaxBodyBytes: 1 << 10}
	reached := make(chan context.Context)
	leave := make(chan struct{})
	handler := s.front(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		reached <- r.Context()
		<-leave
	}))
	serve := func(ctx context.Context, text string) <-chan *httptest.ResponseRecorder {
		done := make(chan *httptest.ResponseRecorder, 1)
		var body io.Reader = http.NoBody
		if text != "" {
			body = strings.NewReader(text)
		}
		go func() {
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, httptest.NewRequestWithContext(ctx, http.MethodPost, "/stores", body))
			done <- w
		}()
		return done
	}
	first := serve(t.Context(), "{}")
	decoding := <-reached

	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if w := <-serve(gone, "{}"); w.Code != 499 {
		t.Errorf("a request that is gone: got %d", w.Code)
	}
	if _, err := s.decodingTurn(gone); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	empty := serve(t.Context(), "")
	<-reached

	second := serve(t.Context(), "{}")
	leaveHTTP(decoding)
	leaveHTTP(decoding) // twice is as once
	<-reached
	if len(s.decoding) != 1 {
		t.Errorf("%d bodies are being decoded, want 1", len(s.decoding))
	}
	close(leave)
	<-first
	<-empty
	<-second
	if len(s.decoding) != 0 {
		t.Errorf("%d bodies are being decoded in the end", len(s.decoding))
	}
}
