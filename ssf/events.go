package ssf

import "strings"

// Type is the type of a SET in its header (typ).
const Type = "secevent+jwt"

// ContentType is the media type of a SET.
const ContentType = "application/" + Type

// The ways to deliver SETs.
const (
	DeliveryPush = "urn:ietf:rfc:8935"
	DeliveryPoll = "urn:ietf:rfc:8936"
)

// What the URIs of event types begin with.
const (
	caepBase = "https://schemas.openid.net/secevent/caep/event-type/"
	riscBase = "https://schemas.openid.net/secevent/risc/event-type/"
	ssfBase  = "https://schemas.openid.net/secevent/ssf/event-type/"
)

// The events of the Continuous Access Evaluation Profile 1.0.
const (
	EventSessionRevoked         = caepBase + "session-revoked"
	EventTokenClaimsChange      = caepBase + "token-claims-change"
	EventCredentialChange       = caepBase + "credential-change"
	EventAssuranceLevelChange   = caepBase + "assurance-level-change"
	EventDeviceComplianceChange = caepBase + "device-compliance-change"
	EventSessionEstablished     = caepBase + "session-established"
	EventSessionPresented       = caepBase + "session-presented"
	EventRiskLevelChange        = caepBase + "risk-level-change"
)

// The events of RISC 1.0 that have a name here.
const (
	EventAccountDisabled                 = riscBase + "account-disabled"
	EventAccountEnabled                  = riscBase + "account-enabled"
	EventAccountPurged                   = riscBase + "account-purged"
	EventAccountCredentialChangeRequired = riscBase + "account-credential-change-required"
	EventCredentialCompromise            = riscBase + "credential-compromise"
	EventIdentifierChanged               = riscBase + "identifier-changed"
	EventIdentifierRecycled              = riscBase + "identifier-recycled"
	EventSessionsRevoked                 = riscBase + "sessions-revoked" // deprecated by RISC
)

// The events of a stream itself.
const (
	EventVerification  = ssfBase + "verification"
	EventStreamUpdated = ssfBase + "stream-updated"
)

// Name returns the last part of the URI of an event type of CAEP, RISC or the framework: "session-revoked". It
// is empty for the types of others.
func Name(uri string) string {
	for _, base := range []string{caepBase, riscBase, ssfBase} {
		if name, ours := strings.CutPrefix(uri, base); ours {
			return name
		}
	}
	return ""
}
