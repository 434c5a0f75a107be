// Sentences of OpenFGA's modelling language, schema 1.1, one statement a line. Which statement may
// follow which, and which operators may stand side by side, is checked in Go, where the message can
// say what to do. The statements of modular models (schema 1.2) stand in the files of an fga.mod alone.
parser grammar ModelParser;

options { tokenVocab = ModelLexer; }

file : line* EOF ;

line : ( statement | unknown )? NEWLINE ;

statement
  : modelHeader
  | schemaVersion
  | moduleHeader
  | extendType
  | typeHeader
  | relationsHeader
  | define
  | condition
  ;

// A line that begins with no keyword. Being a sentence of its own, it does not hide the lines below.
unknown
  : ~( MODEL | SCHEMA | MODULE | EXTEND | TYPE | RELATIONS | DEFINE | CONDITION | NEWLINE ) ( ~NEWLINE )*
  ;

modelHeader     : MODEL ;
schemaVersion   : SCHEMA name ;
moduleHeader    : MODULE name ;
extendType      : EXTEND TYPE name ;
typeHeader      : TYPE name ;
relationsHeader : RELATIONS ;

define     : DEFINE name COLON expression ;
expression : operand ( operator operand )* ;
operator   : OR | AND | BUT NOT ;
operand    : restrictions | group | reference ;
group      : LPAREN expression RPAREN ;
reference  : name ( FROM name )? ;

restrictions : LBRACK restriction ( COMMA restriction )* RBRACK ;
restriction  : ( USERSET | name WILDCARD? ) ( WITH name )? ;

condition     : CONDITION name LPAREN parameters? RPAREN LBRACE BODY RBRACE ;
parameters    : parameter ( COMMA parameter )* ;
parameter     : name COLON parameterType ;
parameterType : name ( LANGLE parameterType RANGLE )? ;

// A keyword may name things wherever that leaves no doubt. The operators may not.
name : NAME | MODEL | SCHEMA | MODULE | EXTEND | TYPE | RELATIONS | DEFINE | CONDITION | BUT | NOT ;
