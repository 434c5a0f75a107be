package api

import (
	"maps"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"
)

// TestErrorsAreDocumented: the table of errors in docs/api/README.md has each code with the status of HTTP that it
// comes with, and no other.
func TestErrorsAreDocumented(t *testing.T) {
	page, err := os.ReadFile("../docs/api/README.md")
	if err != nil {
		t.Fatal(err)
	}
	named := map[int32]string{}
	for _, names := range []map[int32]string{
		openfgav1.AuthErrorCode_name, openfgav1.ErrorCode_name, openfgav1.NotFoundErrorCode_name, openfgav1.InternalErrorCode_name,
	} {
		maps.Copy(named, names)
	}
	documented := map[codes.Code]bool{codes.OK: true}
	rows := regexp.MustCompile(`(?m)^\| (\d{3}) \| (.*?) \|`).FindAllStringSubmatch(string(page), -1)
	for _, row := range rows {
		want, err := strconv.Atoi(row[1])
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range regexp.MustCompile("`[A-Z_]+`").FindAllString(row[2], -1) {
			var code codes.Code
			if err := code.UnmarshalJSON([]byte(strings.ReplaceAll(name, "`", `"`))); err != nil {
				t.Fatal(err)
			}
			documented[code] = true
			got, _, _ := wireError(status.New(code, "message"))
			if got != want && (want != 429 || code != codes.ResourceExhausted) { // 429: where Retry-After is
				t.Errorf("%s comes with status %d, and the page says %d", name, got, want)
			}
		}
		for _, edges := range regexp.MustCompile(`(\d{4}) to (\d{4})`).FindAllStringSubmatch(row[2], -1) {
			for number := range named {
				if text := strconv.Itoa(int(number)); text < edges[1] || text > edges[2] || number < 1000 {
					continue
				}
				delete(named, number)
				if got, _, _ := wireError(status.New(codes.Code(number), "message")); got != want {
					t.Errorf("%d comes with status %d, and the page says %d", number, got, want)
				}
			}
		}
	}
	for code := codes.OK; code <= codes.Unauthenticated; code++ {
		if !documented[code] {
			t.Errorf("the page does not name %s", code)
		}
	}
	delete(named, 1600) // stands for itself
	for number, name := range named {
		if number >= 1000 {
			t.Errorf("the page does not name %d, %s", number, name)
		}
	}
}
