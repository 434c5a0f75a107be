package condition

import (
	"fmt"
	"net/netip"
	"reflect"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
)

// addressType is the type "ipaddress". Its name shows in CEL's messages and is OpenFGA's.
var addressType = cel.OpaqueType("IPAddress")

// addressOptions declare the functions on addresses: ipaddress("10.0.0.1") and a.in_cidr("10.0.0.0/8").
func addressOptions() []cel.EnvOption {
	return []cel.EnvOption{
		cel.Function("ipaddress", cel.Overload("string_to_ipaddress", []*cel.Type{cel.StringType}, addressType,
			cel.UnaryBinding(func(v ref.Val) ref.Val {
				text, ok := v.(types.String)
				if !ok {
					return types.MaybeNoSuchOverloadErr(v)
				}
				a, err := parseAddress(string(text))
				if err != nil {
					return types.NewErr("%v", err)
				}
				return a
			}))),
		cel.Function("in_cidr", cel.MemberOverload("ipaddress_in_cidr", []*cel.Type{addressType, cel.StringType}, cel.BoolType,
			cel.BinaryBinding(func(lhs, rhs ref.Val) ref.Val {
				a, ok := lhs.(address)
				text, isText := rhs.(types.String)
				if !ok || !isText {
					return types.MaybeNoSuchOverloadErr(rhs)
				}
				return a.inCIDR(string(text))
			}))),
	}
}

// address is an IP address as a CEL value.
type address struct{ netip.Addr }

// parseAddress takes an IPv4 address in the clothes of IPv6 for what it is.
func parseAddress(text string) (address, error) {
	a, err := netip.ParseAddr(text)
	if err != nil {
		return address{}, fmt.Errorf("%s is not an IP address", shown(text))
	}
	return address{a.Unmap()}, nil
}

func (a address) inCIDR(text string) ref.Val {
	network, err := netip.ParsePrefix(text)
	if err != nil {
		return types.NewErr("%s is not a network in CIDR notation", shown(text))
	}
	return types.Bool(network.Contains(a.Addr))
}

// The methods of ref.Val.

func (a address) ConvertToNative(t reflect.Type) (any, error) {
	if t == reflect.TypeFor[netip.Addr]() {
		return a.Addr, nil
	}
	return nil, fmt.Errorf("an IP address cannot become a %s", t)
}

func (a address) ConvertToType(t ref.Type) ref.Val {
	switch t {
	case types.TypeType:
		return addressType
	}
	return types.NewErr("an IP address cannot become a %s", t.TypeName())
}

func (a address) Equal(other ref.Val) ref.Val {
	b, ok := other.(address)
	return types.Bool(ok && a.Addr == b.Addr)
}

func (a address) Type() ref.Type { return addressType }
func (a address) Value() any     { return a.Addr }
