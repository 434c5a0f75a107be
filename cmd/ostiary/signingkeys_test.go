package main

import (
	"testing"
	"time"
)

func TestSigningKeyRotation(t *testing.T) {
	for _, test := range []struct {
		every, want time.Duration
		ok          bool
	}{{0, -1, true}, {time.Hour, 0, false}, {-time.Hour, 0, false}, {48 * time.Hour, 48 * time.Hour, true}} {
		got, err := (&signingFlags{every: test.every}).rotation()
		if got != test.want || (err == nil) != test.ok {
			t.Errorf("%s: got %s, %v", test.every, got, err)
		}
	}
}
