package main

import "testing"

func TestAuditRetentionIsBounded(t *testing.T) {
	c := newCLI(t, "127.0.0.1:1")
	for _, wrong := range []string{"0", "-1h", "23h59m", "87601h"} {
		code, _, err := c.run("serve", "--dev", "--data-dir", t.TempDir(), "--audit-retention", wrong)
		if code != exitUsage {
			t.Errorf("%s: exit code %d: %s", wrong, code, err)
		}
		wantContains(t, wrong, err, "--audit-retention", "24h0m0s", "87600h0m0s")
	}
}
