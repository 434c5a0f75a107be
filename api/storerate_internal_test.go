package api

import (
	"regexp"
	"testing"

	"github.com/ostiary/ostiary/access"
)

// TestRatesRefuseNothingThatTakesAway: no method that takes something away, or that an administrator needs, is rated.
func TestRatesRefuseNothingThatTakesAway(t *testing.T) {
	takes := regexp.MustCompile(`/(Delete|Remove|Revoke|Block|Clear|End|Pause|Retire|Rotate|Drop|Hold|Set)\w*$`)
	for method := range rated {
		if needed, there := rights[method]; !there || needed.role == access.Administrator || takes.MatchString(method) {
			t.Errorf("%s is rated", method)
		}
	}
}
