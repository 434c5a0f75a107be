// Package dsl compiles OpenFGA's modelling language, and OpenFGA's JSON form of a model, into a
// model.Model, and prints models in both.
//
// A text goes through the lexer and parser that ANTLR generates from dsl/grammar (package gen), is
// made into a small syntax tree, and is checked as a whole; JSON is read into the same tree and meets
// the same checks. Faults are collected, not first-only. Every one is a Diagnostic with a stable code,
// its place, the line with a caret under it, and, where that can be known, what was meant. Explain
// tells more about a code.
//
// Annotations reads from the comments of a text what identity providers may assign, and ReadMapping what a
// store's model calls the parts of identity (package gate).
//
// The language is OpenFGA's schema 1.1, and 1.2 with modules: CompileModules puts the files of an fga.mod
// together. Beyond the reference compiler it
// takes names outside of ASCII, type restrictions at any place of an expression, an expression over
// several lines inside parentheses, and conditions without parameters or before types. Format and
// Print write one statement a line.
//
// # Invariants
//
//	D1. No input makes the package panic, print, or run without end: size, depth and the number of
//	    diagnostics have limits with names, and work is bounded by the size of the text.
//	D2. A returned model is sound: every name resolves, tuplesets are direct and hold plain objects,
//	    no relation is computed from itself, every relation has an entry point.
//	D3. Format(Format(t)) = Format(t), and Compile(Format(t)) = Compile(t).
//	D4. CompileJSON(JSON(m)) = m for every model of Compile, CompileModules and CompileJSON; Compile(Print(m)) = m
//	    for every model of Compile.
//
// # Concurrency
//
// All functions may be called from any goroutine.
//
// # Not here
//
// The model itself (package model), what a CEL expression means (package condition), and evaluation
// (package engine).
package dsl
