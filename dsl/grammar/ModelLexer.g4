// Words of the modelling language. See ModelParser.g4 for the sentences.
//
// Two things are left to the token source in dsl/lex.go, because they need to look around:
// a NEWLINE inside brackets is left out, and the text between the braces of a condition becomes
// one BODY token.
lexer grammar ModelLexer;

tokens { BODY }

MODEL     : 'model' ;
SCHEMA    : 'schema' ;
MODULE    : 'module' ;
EXTEND    : 'extend' ;
TYPE      : 'type' ;
RELATIONS : 'relations' ;
DEFINE    : 'define' ;
CONDITION : 'condition' ;
OR        : 'or' ;
AND       : 'and' ;
BUT       : 'but' ;
NOT       : 'not' ;
FROM      : 'from' ;
WITH      : 'with' ;

LBRACK : '[' ;
RBRACK : ']' ;
LPAREN : '(' ;
RPAREN : ')' ;
LBRACE : '{' ;
RBRACE : '}' ;
LANGLE : '<' ;
RANGLE : '>' ;
COMMA  : ',' ;
COLON  : ':' ;

// ":*" as in user:*. The second form is wrong wherever it stands; without it the rest of the line
// would be taken for a comment.
WILDCARD         : ':*' ;
WILDCARD_USERSET : ':*#' ( NAME_CHAR | '#' )* ;

NAME : NAME_CHAR+ ;

// "group#member" is one word, so that a '#' that does not follow a name begins a comment.
USERSET : NAME_CHAR+ '#' ( NAME_CHAR | '#' )* ;

COMMENT : '#' ~[\r\n]* -> channel(HIDDEN) ;
NEWLINE : '\r'? '\n' | '\r' ;
SPACE   : [ \t]+ -> skip ;

UNEXPECTED : . ;

// Everything but white space, control characters and what the language gives a meaning to.
fragment NAME_CHAR
  : ~[\u0000-\u0020\u007F-\u00A0\u1680\u2000-\u200A\u2028\u2029\u202F\u205F\u3000\uFEFF:#@,()[\]{}<>*]
  ;
