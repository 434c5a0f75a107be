package openapi

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
)

func TestServed(t *testing.T) {
	handler := New()
	ask := func(method, tag string) *httptest.ResponseRecorder {
		request := httptest.NewRequestWithContext(t.Context(), method, Path, nil)
		request.Header.Set("If-None-Match", tag)
		answer := httptest.NewRecorder()
		handler.ServeHTTP(answer, request)
		return answer
	}
	whole := ask(http.MethodGet, "")
	if whole.Code != http.StatusOK || !bytes.Equal(whole.Body.Bytes(), Document()) || !json.Valid(whole.Body.Bytes()) {
		t.Fatalf("status %d, %d bytes, want the document of %d", whole.Code, whole.Body.Len(), len(Document()))
	}
	for name, want := range map[string]string{
		"Content-Type": "application/json", "Cache-Control": "public, max-age=300", "Access-Control-Allow-Origin": "*",
	} {
		if got := whole.Header().Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	tag := whole.Header().Get("ETag")
	for _, c := range []struct {
		method, tag string
		status      int
	}{
		{http.MethodHead, "", http.StatusOK},
		{http.MethodGet, tag, http.StatusNotModified},
		{http.MethodGet, `"another"`, http.StatusOK},
		{http.MethodPost, "", http.StatusMethodNotAllowed},
	} {
		answer := ask(c.method, c.tag)
		if answer.Code != c.status || answer.Code != http.StatusOK && answer.Body.Len() > 0 {
			t.Errorf("%s with tag %s: %d with %d bytes, want %d", c.method, c.tag, answer.Code, answer.Body.Len(), c.status)
		}
	}
}
