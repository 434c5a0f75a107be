package raftstore

import (
	"context"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/ostiary/ostiary"
)

// named returns m with what the audit says of the call that ctx belongs to. While the cluster has members that keep
// no audit it returns m as it is: they could not decode it.
func (s *Store) named(ctx context.Context, m *ostiary.Mutation) (*ostiary.Mutation, error) {
	audits, err := s.audits()
	if err != nil || !audits {
		return m, err
	}
	called := *m
	called.MinVersion = max(m.MinVersion, ostiary.ReleaseAudit)
	c := ostiary.CallOf(ctx)
	called.Method, called.Origin, called.Store = bounded(c.Method), bounded(c.Origin), bounded(c.Store)
	if called.Store == "" {
		called.Store = storeOf(m)
	}
	return &called, nil
}

// audits reports whether every member understands what the audit needs.
func (s *Store) audits() (bool, error) {
	if s.auditing.Load() {
		return true, nil
	}
	if s.options.release < ostiary.ReleaseAudit {
		return false, nil
	}
	if s.net != nil {
		version, _, err := s.clusterVersion()
		if err != nil || version < ostiary.ReleaseAudit {
			return false, err
		}
	}
	s.auditing.Store(true) // a cluster's version never goes back
	return true, nil
}

// maxCallBytes bounds each text that the audit has of a call.
const maxCallBytes = 256

// bounded returns a text of a call as a row may have it: short, and of characters that can be read. What calls say of
// themselves is their callers' choice, paths above all.
func bounded(text string) string {
	text = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) || r == utf8.RuneError {
			return '?'
		}
		return r
	}, text)
	if len(text) <= maxCallBytes {
		return text
	}
	text = text[:maxCallBytes]
	for len(text) > 0 && !utf8.ValidString(text) {
		text = text[:len(text)-1]
	}
	return text
}

// storeOf returns the store that a mutation is about where no call says it; empty where it does not tell.
func storeOf(m *ostiary.Mutation) string {
	for i := range m.Tuples {
		return m.Tuples[i].Store
	}
	for i := range m.Filters {
		return m.Filters[i].Filter.Store
	}
	for i := range m.Documents {
		k := m.Documents[i].Key
		if k.Collection == "store" {
			return k.Key
		}
		if of, store, found := strings.Cut(k.Collection, "/"); found && (of == "audit" || of == "model") {
			return store
		}
	}
	return ""
}
