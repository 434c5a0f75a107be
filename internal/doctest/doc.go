// Package doctest tries the documentation: its tests execute, compile or parse every code block of README.md, of
// docs/ and of the other pages of the project, page by page and in order, against the real binary.
//
// # Blocks
//
// A block is fenced, never indented, and its fence names its language:
//
//	sh       commands, run by bash in a folder of the page's own; each has to succeed. A comment at the end of a
//	         command says otherwise: "# denied" is exit code 3, "# allowed" wants that answer, "# refused" wants any
//	         failure, "# exit code 4" that one.
//	console  the same with what they print: commands after "$ ", then their output. "…" in a line stands for any text,
//	         "…" alone for any lines; ids, times and hashes stand for any of their kind.
//	http     requests, "METHOD /path" with an optional body after it or below it, sent to the page's server: each has
//	         to be answered with a status below 400.
//	fga      a model, compiled.
//	go       a package, or statements of a function; compiled in this module.
//	json     one value or several, parsed; a model in JSON form is compiled.
//	yaml     parsed; a store file with tests passes them.
//	text     shown and not judged: pictures, tables, layouts of bytes.
//
// All blocks of a page share one shell: variables, the folder and servers in the background stay until its end. Addresses
// 127.0.0.1:PORT and localhost:PORT become others for each page, so that pages run beside each other and beside whatever
// the machine does. The folders examples and deploy of the project are there.
//
// # Directives
//
// An HTML comment between the paragraph and the block says what a reader need not see. Each stands on lines of its own.
//
//	<!-- not run: REASON -->   the next block is not executed; the reason is for a reader of this comment
//	<!-- server: URL -->       the last command of the next block goes on in the background, and the page goes on once
//	                           URL answers; without one: the page's /readyz
//	<!-- file: NAME -->        the next block is the file NAME of the page's folder from here on
//	<!-- with: TEXT = TEXT --> from here on the left side is replaced by the right one in what is executed; several
//	                           lines are several replacements
//	<!-- run                   commands on the following lines are run here
//	<!-- setup: NAME -->       testdata/setup/NAME.sh is run here: "store" has a server with a store, "acme" one with an
//	                           organization and its identity provider
//	<!-- before, <!-- after    the following lines belong to the next block, before and after what it shows
//
// Blocks that are not run, and blocks of text, are listed in testdata/not-run.txt: go test ./internal/doctest -update writes it.
package doctest
