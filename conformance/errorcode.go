package conformance

import (
	"fmt"
	"strings"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"
	"go.yaml.in/yaml/v3"
	"google.golang.org/grpc/status"
)

// ErrorCode is one of OpenFGA's error numbers; zero is no error. A suite gives it as the number or as
// the name, with or without the name of its enum: 2027, invalid_tuple, ErrorCode_invalid_tuple.
type ErrorCode uint32

// UnmarshalYAML reads a number or a name.
func (c *ErrorCode) UnmarshalYAML(node *yaml.Node) error {
	var number uint32
	if err := node.Decode(&number); err == nil {
		*c = ErrorCode(number)
		return nil
	}
	var name string
	if err := node.Decode(&name); err != nil {
		return err
	}
	for enum, values := range map[string]map[string]int32{
		"ErrorCode": openfgav1.ErrorCode_value, "NotFoundErrorCode": openfgav1.NotFoundErrorCode_value,
		"InternalErrorCode": openfgav1.InternalErrorCode_value, "AuthErrorCode": openfgav1.AuthErrorCode_value,
	} {
		if value, ok := values[strings.TrimPrefix(name, enum+"_")]; ok {
			*c = ErrorCode(value)
			return nil
		}
	}
	return fmt.Errorf("line %d: %q is no error code of OpenFGA", node.Line, name)
}

// codeOf is the number of an error that a call returned; zero is no error.
func codeOf(err error) ErrorCode { return ErrorCode(status.Code(err)) }
