package dsl

// The codes of diagnostics. They are stable: a code keeps its meaning, and a code that is no longer
// used is not given to another fault. Explain has a text for each.
const (
	// The source as a whole.
	codeTooLarge      = "E001"
	codeNotUTF8       = "E002"
	codeTooManyTypes  = "E003"
	codeTooDeep       = "E004"
	codeTooManyErrors = "E005"
	codeEmptyModel    = "E006"

	// Sentences of the DSL.
	codeCharacter             = "E010"
	codeUnexpected            = "E011"
	codeMissingColon          = "E012"
	codeMissingName           = "E013"
	codeUnclosed              = "E014"
	codeMissingOperand        = "E015"
	codeMissingOperator       = "E016"
	codeUnknownStatement      = "E017"
	codeMisplaced             = "E018"
	codeMissingModel          = "E019"
	codeMissingSchema         = "E020"
	codeUnsupportedSchema     = "E021"
	codeModular               = "E022"
	codeRestriction           = "E023"
	codeMisplacedRestrictions = "E024"
	codeMixedOperators        = "E025"
	codeMissingRelations      = "E026"
	codeEmptyRelations        = "E027"
	codeCondition             = "E028"
	codeUnclosedCondition     = "E029"
	codeEmptyCondition        = "E030"
	codeParameterType         = "E031"
	codeExpression            = "E032"
	codeConditionBounds       = "E033"

	// Modular models.
	codeNotModule  = "E040"
	codeModFile    = "E041"
	codeModuleFile = "E042"

	// Annotations.
	codeAnnotation = "E050"
	codeAssignable = "E051"

	// Identity mappings.
	codeMapping      = "E060"
	codeMappingName  = "E061"
	codeMappingTakes = "E062"
	codeMappingClash = "E063"

	// Names.
	codeUndefinedType        = "E101"
	codeUndefinedRelation    = "E102"
	codeUndefinedCondition   = "E103"
	codeUndefinedComputed    = "E104"
	codeUndefinedExtension   = "E105"
	codeDuplicateType        = "E110"
	codeDuplicateRelation    = "E111"
	codeDuplicateCondition   = "E112"
	codeDuplicateRestriction = "E113"
	codeDuplicateParameter   = "E114"
	codeDuplicateOperand     = "E115"
	codeDuplicateList        = "E116"
	codeDuplicateExtension   = "E117"
	codeReservedWord         = "E120"
	codeInvalidName          = "E121"
	codeNameTooLong          = "E122"
	codeUnusedCondition      = "E130"

	// Meaning.
	codeNoEntryPoint       = "E201"
	codeComputedCycle      = "E202"
	codeTuplesetNotDirect  = "E203"
	codeTuplesetRestricted = "E204"

	// The JSON form.
	codeJSONSyntax       = "E301"
	codeJSONField        = "E302"
	codeJSONKind         = "E303"
	codeJSONMissing      = "E304"
	codeJSONRewrite      = "E305"
	codeJSONRestrictions = "E306"
	codeJSONExpression   = "E307"
)
