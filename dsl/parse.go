package dsl

import (
	"github.com/antlr4-go/antlr/v4"

	"github.com/ostiary/ostiary/dsl/gen"
)

// syntaxError is a word at which the parser could not go on.
type syntaxError struct {
	rule int  // gen.ModelParserRULE_…, the innermost one that is not the rule of names
	name bool // whether a name had to stand there
	word int  // index of the word
}

// tree is what the parser made of a source. Every line ends the damage of the line before, so there is
// at most one syntax error a statement.
type tree struct {
	file   gen.IFileContext
	errors []syntaxError
	failed map[antlr.Tree]bool // the nodes that the parser gave up in
}

func parse(words []word) tree {
	lexer := gen.NewModelLexer(antlr.NewInputStream(""))
	lexer.RemoveErrorListeners()
	parser := gen.NewModelParser(antlr.NewCommonTokenStream(&tokens{ModelLexer: lexer, words: words}, antlr.TokenDefaultChannel))
	parser.RemoveErrorListeners()
	strategy := &lineStrategy{DefaultErrorStrategy: antlr.NewDefaultErrorStrategy(), failed: map[antlr.Tree]bool{}}
	parser.SetErrorHandler(strategy)
	return tree{file: parser.File(), errors: strategy.errors, failed: strategy.failed}
}

// lineStrategy is the parser's error strategy: note the error, skip to the end of the line, say
// nothing more until something fits again. It prints nothing and inserts or deletes no word.
type lineStrategy struct {
	*antlr.DefaultErrorStrategy // for the methods that only ANTLR can implement
	errors                      []syntaxError
	failed                      map[antlr.Tree]bool
	recovering                  bool
}

func (s *lineStrategy) InErrorRecoveryMode(antlr.Parser) bool { return s.recovering }

func (s *lineStrategy) ReportMatch(antlr.Parser) { s.recovering = false }

func (s *lineStrategy) Sync(antlr.Parser) {}

func (s *lineStrategy) ReportError(p antlr.Parser, _ antlr.RecognitionException) {
	s.failed[p.GetParserRuleContext()] = true
	if s.recovering {
		return
	}
	s.recovering = true
	e := syntaxError{rule: p.GetParserRuleContext().GetRuleIndex(), word: p.GetCurrentToken().GetLine()}
	if parent, ok := p.GetParserRuleContext().GetParent().(antlr.ParserRuleContext); ok && e.rule == gen.ModelParserRULE_name {
		e.rule, e.name = parent.GetRuleIndex(), true
	}
	s.errors = append(s.errors, e)
}

func (s *lineStrategy) RecoverInline(p antlr.Parser) antlr.Token {
	p.SetError(antlr.NewInputMisMatchException(p))
	return nil
}

func (s *lineStrategy) Recover(p antlr.Parser, _ antlr.RecognitionException) {
	for {
		switch p.GetTokenStream().LA(1) {
		case antlr.TokenEOF, gen.ModelParserNEWLINE:
			return
		}
		p.Consume()
	}
}
