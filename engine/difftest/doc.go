// Package difftest compares package engine with package engine/oracle on random models and tuples, and
// with itself under changes that must not matter. It holds tests alone.
//
// A case is a model, tuples and the ids that questions are about (generate_test.go). For each case every
// question is asked: every object, every relation, every subject, wildcards and usersets included; every
// ListObjects and every ListUsers (compare_test.go). A case on which the two disagree is made smaller
// and printed as DSL, tuples and the question, and belongs into the table of regression_test.go once
// it is understood.
//
// The longer run, which is a few cases by default:
//
//	go test ./engine/difftest -run TestSoak -ostiary.diff.cases 100000 -ostiary.diff.seed 1
package difftest
