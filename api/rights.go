package api

import (
	"context"
	"fmt"
	"strings"

	authzenv1 "github.com/openfga/api/proto/authzen/v1"
	openfgav1 "github.com/openfga/api/proto/openfga/v1"
	"google.golang.org/grpc/codes"
	reflectionv1 "google.golang.org/grpc/reflection/grpc_reflection_v1"
	reflectionv1alpha "google.golang.org/grpc/reflection/grpc_reflection_v1alpha"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/access"
	ostiaryv1 "github.com/ostiary/ostiary/api/gen/ostiary/v1"
	"github.com/ostiary/ostiary/identity"
)

// right is what a caller needs for a method: a role in what a request is about.
type right struct {
	role access.Role
	of   func(v View, req any) (access.Target, error)
	// claim: a bootstrap credential is needed. open: nothing is, not even authentication.
	claim, open bool
}

// What requests are about.
var (
	ofCluster = func(View, any) (access.Target, error) { return access.Target{}, nil }
	// ofStore is the store that the request names; without one, the cluster.
	ofStore = func(_ View, req any) (access.Target, error) { return access.Target{Store: storeIn(req)}, nil }
	// ofOrganization is the organization that the request names; without one, the store.
	ofOrganization = func(_ View, req any) (access.Target, error) {
		r, _ := req.(interface{ GetOrganizationId() string })
		return inStore(req, r != nil, func() string { return r.GetOrganizationId() })
	}
	// ofProof is the organization that the request names, and where it says by word alone that a domain is the
	// organization's, the store: other organizations of it may say the same.
	ofProof = func(v View, req any) (access.Target, error) {
		if r, ok := req.(interface{ GetConfirm() bool }); ok && r.GetConfirm() {
			return ofStore(v, req)
		}
		return ofOrganization(v, req)
	}
	// ofNewMember is the organization that the request names, and where another one's provider manages the person, the
	// store: who is made a member can be blocked, which is felt beyond the organization.
	ofNewMember = func(v View, req any) (access.Target, error) {
		r, ok := req.(interface {
			GetOrganizationId() string
			GetUserId() string
		})
		if !ok {
			return ofStore(v, req)
		}
		elsewhere, err := identity.ManagedElsewhere(v, storeIn(req), r.GetOrganizationId(), r.GetUserId())
		if err != nil || elsewhere {
			return access.Target{Store: storeIn(req)}, err
		}
		return ofOrganization(v, req)
	}
	// ofThisOrganization is the organization whose id the request names.
	ofThisOrganization = func(_ View, req any) (access.Target, error) {
		r, _ := req.(interface{ GetId() string })
		return inStore(req, r != nil, func() string { return r.GetId() })
	}
	// ofConnection is the organization of the connection that the request names, or the store of the receiver of
	// streams that it names; of one that does not exist it is the cluster, so that only who may do it everywhere
	// learns that.
	ofConnection = func(v View, req any) (access.Target, error) {
		r, _ := req.(interface{ GetConnectionId() string })
		return organizationOf(v, req, r != nil, func() string { return r.GetConnectionId() })
	}
	// ofPolicy is ofConnection, and where the policy lets events say which devices comply, the store: devices are those
	// of all of its organizations.
	ofPolicy = func(v View, req any) (access.Target, error) {
		target, err := ofConnection(v, req)
		if r, ok := req.(interface{ GetPolicy() map[string]string }); err == nil && ok {
			for _, action := range r.GetPolicy() {
				if action == identity.SignalMarkDevice {
					target.Organization = ""
				}
			}
		}
		return target, err
	}
	// ofThisConnection is ofConnection of a request about the connection itself.
	ofThisConnection = func(v View, req any) (access.Target, error) {
		r, _ := req.(interface{ GetId() string })
		return organizationOf(v, req, r != nil, func() string { return r.GetId() })
	}
	// ofSession is the organization of the session that the request brings.
	ofSession = func(_ View, req any) (access.Target, error) {
		r, _ := req.(interface{ GetSession() *ostiaryv1.Session })
		return inStore(req, r != nil, func() string { return r.GetSession().GetOrganizationId() })
	}
	// ofGrant is the target of the role that the request gives or takes.
	ofGrant = func(_ View, req any) (access.Target, error) {
		r, _ := req.(interface{ GetGrant() *ostiaryv1.AccessGrant })
		return targetOf(r.GetGrant().GetTarget()), nil
	}
	// ofTarget is the target that the request names; without one, the cluster.
	ofTarget = func(_ View, req any) (access.Target, error) {
		r, _ := req.(interface {
			GetTarget() *ostiaryv1.AccessTarget
		})
		return targetOf(r.GetTarget()), nil
	}
	// ofThisSession is the organization of the session that the request names: ids of sessions begin with it.
	ofThisSession = func(_ View, req any) (access.Target, error) {
		r, _ := req.(interface{ GetId() string })
		return inStore(req, r != nil, func() string {
			organization, _, _ := strings.Cut(r.GetId(), "/")
			return organization
		})
	}
	// ofSessions is the organization of the sessions that the request selects; without one, the store.
	ofSessions = func(_ View, req any) (access.Target, error) {
		r, _ := req.(interface {
			GetFilter() *ostiaryv1.SessionFilter
		})
		return inStore(req, r != nil, func() string { return r.GetFilter().GetOrganizationId() })
	}
)

// Rights that are not a role in a target.
var (
	// anything lets in whoever has any role at all. What the method shows is up to its handler.
	anything = right{}
	// claim lets in who shows a bootstrap credential alone; the handler judges it.
	claim = right{claim: true}
	// open lets everybody in, without authentication.
	open = right{open: true}
)

func storeIn(req any) string {
	if r, ok := req.(interface{ GetStoreId() string }); ok {
		return r.GetStoreId()
	}
	return ""
}

func inStore(req any, named bool, organization func() string) (access.Target, error) {
	t := access.Target{Store: storeIn(req)}
	if t.Store != "" && named {
		t.Organization = organization()
	}
	return t, nil
}

func organizationOf(v View, req any, named bool, connection func() string) (access.Target, error) {
	store := storeIn(req)
	if store == "" || !named {
		return access.Target{}, nil
	}
	organization, there, err := identity.OrganizationOf(v, store, connection())
	if err != nil || !there {
		return access.Target{}, err
	}
	return access.Target{Store: store, Organization: organization}, nil
}

func reads(of func(View, any) (access.Target, error)) right {
	return right{role: access.Reader, of: of}
}
func writes(of func(View, any) (access.Target, error)) right {
	return right{role: access.Writer, of: of}
}
func governs(of func(View, any) (access.Target, error)) right {
	return right{role: access.Administrator, of: of}
}

// rights says what each method needs. A method without a line is refused while access control is on, and
// TestEveryMethodHasItsRight fails.
//
// Who writes the tuples of a store can give anybody anything in it, except what identity providers say; who writes its
// model says what tuples mean, which is for administrators.
var rights = map[string]right{
	openfgav1.OpenFGAService_CreateStore_FullMethodName:             governs(ofCluster),
	openfgav1.OpenFGAService_ListStores_FullMethodName:              anything, // shows those that the caller may read
	openfgav1.OpenFGAService_GetStore_FullMethodName:                reads(ofStore),
	openfgav1.OpenFGAService_UpdateStore_FullMethodName:             governs(ofStore),
	openfgav1.OpenFGAService_DeleteStore_FullMethodName:             governs(ofStore),
	openfgav1.OpenFGAService_WriteAuthorizationModel_FullMethodName: governs(ofStore),
	openfgav1.OpenFGAService_ReadAuthorizationModel_FullMethodName:  reads(ofStore),
	openfgav1.OpenFGAService_ReadAuthorizationModels_FullMethodName: reads(ofStore),
	openfgav1.OpenFGAService_WriteAssertions_FullMethodName:         writes(ofStore),
	openfgav1.OpenFGAService_ReadAssertions_FullMethodName:          reads(ofStore),
	openfgav1.OpenFGAService_Write_FullMethodName:                   writes(ofStore),
	openfgav1.OpenFGAService_Read_FullMethodName:                    reads(ofStore),
	openfgav1.OpenFGAService_ReadChanges_FullMethodName:             reads(ofStore),
	openfgav1.OpenFGAService_Check_FullMethodName:                   reads(ofStore),
	openfgav1.OpenFGAService_BatchCheck_FullMethodName:              reads(ofStore),
	openfgav1.OpenFGAService_Expand_FullMethodName:                  reads(ofStore),
	openfgav1.OpenFGAService_ListObjects_FullMethodName:             reads(ofStore),
	openfgav1.OpenFGAService_StreamedListObjects_FullMethodName:     reads(ofStore),
	openfgav1.OpenFGAService_ListUsers_FullMethodName:               reads(ofStore),

	authzenv1.AuthZenService_Evaluation_FullMethodName:       reads(ofStore),
	authzenv1.AuthZenService_Evaluations_FullMethodName:      reads(ofStore),
	authzenv1.AuthZenService_SubjectSearch_FullMethodName:    reads(ofStore),
	authzenv1.AuthZenService_ResourceSearch_FullMethodName:   reads(ofStore),
	authzenv1.AuthZenService_ActionSearch_FullMethodName:     reads(ofStore),
	authzenv1.AuthZenService_GetConfiguration_FullMethodName: reads(ofStore),

	ostiaryv1.OstiaryService_Explain_FullMethodName:         reads(ofStore),
	ostiaryv1.BlastRadiusService_BlastRadius_FullMethodName: reads(ofStore),
	ostiaryv1.OstiaryService_CreateBackup_FullMethodName:    governs(ofCluster),

	ostiaryv1.IdentityService_CreateOrganization_FullMethodName: governs(ofStore),
	ostiaryv1.IdentityService_GetOrganization_FullMethodName:    reads(ofThisOrganization),
	ostiaryv1.IdentityService_ListOrganizations_FullMethodName:  reads(ofStore),
	ostiaryv1.IdentityService_DeleteOrganization_FullMethodName: governs(ofStore),
	ostiaryv1.IdentityService_VerifyOrganization_FullMethodName: reads(ofThisOrganization),
	ostiaryv1.IdentityService_SetMapping_FullMethodName:         governs(ofStore),
	ostiaryv1.IdentityService_GetMapping_FullMethodName:         reads(ofStore),
	ostiaryv1.IdentityService_AddMember_FullMethodName:          writes(ofNewMember),
	ostiaryv1.IdentityService_RemoveMember_FullMethodName:       writes(ofOrganization),
	ostiaryv1.IdentityService_ListMembers_FullMethodName:        reads(ofOrganization),
	ostiaryv1.IdentityService_BlockUser_FullMethodName:          writes(ofOrganization),
	ostiaryv1.IdentityService_UnblockUser_FullMethodName:        writes(ofOrganization),
	ostiaryv1.IdentityService_GetUser_FullMethodName:            reads(ofStore),
	ostiaryv1.IdentityService_CreateConnection_FullMethodName:   governs(ofOrganization),
	ostiaryv1.IdentityService_GetConnection_FullMethodName:      reads(ofThisConnection),
	ostiaryv1.IdentityService_ListConnections_FullMethodName:    reads(ofOrganization),
	ostiaryv1.IdentityService_ResumeConnection_FullMethodName:   governs(ofThisConnection),
	ostiaryv1.IdentityService_PauseConnection_FullMethodName:    governs(ofThisConnection),
	ostiaryv1.IdentityService_UpdateConnection_FullMethodName:   governs(ofThisConnection),
	ostiaryv1.IdentityService_GetGuard_FullMethodName:           reads(ofThisConnection),
	ostiaryv1.IdentityService_ConfirmHeld_FullMethodName:        governs(ofThisConnection),
	ostiaryv1.IdentityService_ReadConnectionLog_FullMethodName:  reads(ofThisConnection),
	ostiaryv1.IdentityService_DeleteConnection_FullMethodName:   governs(ofThisConnection),
	ostiaryv1.IdentityService_CreateToken_FullMethodName:        governs(ofConnection),
	ostiaryv1.IdentityService_ListTokens_FullMethodName:         reads(ofConnection),
	ostiaryv1.IdentityService_RevokeToken_FullMethodName:        governs(ofConnection),
	ostiaryv1.IdentityService_CreateClient_FullMethodName:       governs(ofConnection),
	ostiaryv1.IdentityService_ListClients_FullMethodName:        reads(ofConnection),
	ostiaryv1.IdentityService_DeleteClient_FullMethodName:       governs(ofConnection),
	ostiaryv1.IdentityService_SetRevoker_FullMethodName:         governs(ofConnection),
	ostiaryv1.IdentityService_GetRevoker_FullMethodName:         reads(ofConnection),
	ostiaryv1.IdentityService_SetSignalSource_FullMethodName:    governs(ofConnection),
	ostiaryv1.IdentityService_SetSignalPolicy_FullMethodName:    governs(ofPolicy),
	ostiaryv1.IdentityService_ClearSignalSource_FullMethodName:  governs(ofConnection),
	ostiaryv1.IdentityService_GetSignalSource_FullMethodName:    reads(ofConnection),
	ostiaryv1.IdentityService_SetOIDCIssuer_FullMethodName:      governs(ofConnection),
	ostiaryv1.IdentityService_ClearOIDCIssuer_FullMethodName:    governs(ofConnection),
	ostiaryv1.IdentityService_GetOIDCIssuer_FullMethodName:      reads(ofConnection),
	ostiaryv1.IdentityService_CreateRole_FullMethodName:         governs(ofOrganization),
	ostiaryv1.IdentityService_ListRoles_FullMethodName:          reads(ofOrganization),
	ostiaryv1.IdentityService_AddDomain_FullMethodName:          governs(ofOrganization),
	ostiaryv1.IdentityService_VerifyDomain_FullMethodName:       governs(ofProof),
	ostiaryv1.IdentityService_ListDomains_FullMethodName:        reads(ofOrganization),
	ostiaryv1.IdentityService_RemoveDomain_FullMethodName:       governs(ofOrganization),
	ostiaryv1.IdentityService_Discover_FullMethodName:           reads(ofStore), // without a store: of all
	ostiaryv1.IdentityService_GetGate_FullMethodName:            reads(ofStore),
	ostiaryv1.IdentityService_TurnGateOff_FullMethodName:        governs(ofStore),
	ostiaryv1.IdentityService_TurnGateOn_FullMethodName:         governs(ofStore),

	ostiaryv1.TupleService_DeleteTuples_FullMethodName: writes(ofStore),

	ostiaryv1.SessionService_CreateSession_FullMethodName:            writes(ofSession),
	ostiaryv1.SessionService_CreateSessionFromIDToken_FullMethodName: writes(ofConnection),
	ostiaryv1.SessionService_GetSession_FullMethodName:               reads(ofThisSession),
	ostiaryv1.SessionService_ListSessions_FullMethodName:             reads(ofSessions),
	ostiaryv1.SessionService_TouchSession_FullMethodName:             writes(ofThisSession),
	ostiaryv1.SessionService_DeleteSession_FullMethodName:            writes(ofThisSession),
	ostiaryv1.SessionService_DeleteSessions_FullMethodName:           writes(ofSessions),
	ostiaryv1.SessionService_RevokeSessions_FullMethodName:           writes(ofOrganization),
	ostiaryv1.SessionService_SetSessionSubjects_FullMethodName:       governs(ofStore),
	ostiaryv1.SessionService_GetSessionSubjects_FullMethodName:       reads(ofStore),

	ostiaryv1.AccessService_GrantAccess_FullMethodName:       governs(ofGrant),
	ostiaryv1.AccessService_RevokeAccess_FullMethodName:      governs(ofGrant),
	ostiaryv1.AccessService_ListAccess_FullMethodName:        governs(ofTarget),
	ostiaryv1.AccessService_ExplainAccess_FullMethodName:     governs(ofTarget),
	ostiaryv1.AccessService_ListAccessChanges_FullMethodName: governs(ofTarget),
	ostiaryv1.AccessService_ClaimCluster_FullMethodName:      claim,

	ostiaryv1.AuditService_ListAudit_FullMethodName:              governs(ofStore),
	ostiaryv1.AuditService_TailAudit_FullMethodName:              governs(ofStore),
	ostiaryv1.AuditService_GetAuditHead_FullMethodName:           governs(ofCluster),
	ostiaryv1.StoreAdminService_UndeleteStore_FullMethodName:     governs(ofStore),
	ostiaryv1.StoreAdminService_ListDeletedStores_FullMethodName: anything,
	ostiaryv1.StoreAdminService_SetStoreQuota_FullMethodName:     governs(ofCluster),
	ostiaryv1.StoreAdminService_GetStoreQuota_FullMethodName:     reads(ofStore),
	ostiaryv1.StoreAdminService_ListStoreQuotas_FullMethodName:   anything,

	ostiaryv1.OutboxService_CreateApplication_FullMethodName:   governs(ofStore),
	ostiaryv1.OutboxService_UpdateApplication_FullMethodName:   governs(ofStore),
	ostiaryv1.OutboxService_GetApplication_FullMethodName:      reads(ofStore),
	ostiaryv1.OutboxService_ListApplications_FullMethodName:    reads(ofStore),
	ostiaryv1.OutboxService_DeleteApplication_FullMethodName:   governs(ofStore),
	ostiaryv1.OutboxService_CreateWebhook_FullMethodName:       governs(ofStore),
	ostiaryv1.OutboxService_UpdateWebhook_FullMethodName:       governs(ofStore),
	ostiaryv1.OutboxService_RotateWebhookSecret_FullMethodName: governs(ofStore),
	ostiaryv1.OutboxService_EndWebhookRotation_FullMethodName:  governs(ofStore),
	ostiaryv1.OutboxService_GetWebhook_FullMethodName:          reads(ofStore),
	ostiaryv1.OutboxService_ListWebhooks_FullMethodName:        reads(ofStore),
	ostiaryv1.OutboxService_DeleteWebhook_FullMethodName:       governs(ofStore),
	ostiaryv1.OutboxService_GetOutbox_FullMethodName:           reads(ofStore),
	ostiaryv1.OutboxService_ListDeliveries_FullMethodName:      reads(ofStore),
	ostiaryv1.OutboxService_ListDeadLetters_FullMethodName:     reads(ofStore),
	ostiaryv1.OutboxService_RetryDeadLetters_FullMethodName:    governs(ofStore),
	ostiaryv1.OutboxService_DropDeadLetters_FullMethodName:     governs(ofStore),

	ostiaryv1.SigningKeyService_ListSigningKeys_FullMethodName:  reads(ofStore),
	ostiaryv1.SigningKeyService_RotateSigningKey_FullMethodName: governs(ofStore),
	ostiaryv1.SigningKeyService_RetireSigningKey_FullMethodName: governs(ofStore),

	ostiaryv1.StreamService_CreateStreamReceiver_FullMethodName: governs(ofStore),
	ostiaryv1.StreamService_ListStreamReceivers_FullMethodName:  reads(ofStore),
	ostiaryv1.StreamService_DeleteStreamReceiver_FullMethodName: governs(ofStore),
	ostiaryv1.StreamService_ListStreams_FullMethodName:          reads(ofStore),
	ostiaryv1.StreamService_SetStreamStatus_FullMethodName:      governs(ofStore),

	reflectionv1.ServerReflection_ServerReflectionInfo_FullMethodName:      anything,
	reflectionv1alpha.ServerReflection_ServerReflectionInfo_FullMethodName: anything,

	"/grpc.health.v1.Health/Check": open,
	"/grpc.health.v1.Health/Watch": open,
	"/grpc.health.v1.Health/List":  open,
}

// codeForbidden is OpenFGA's number of a refusal for want of rights.
const codeForbidden = codes.Code(openfgav1.AuthErrorCode_forbidden)

// errForbidden says nothing of what exists, so that it is the same whether it does or not.
var errForbidden = refuse(codeForbidden, "the caller may not do that: an administrator can allow it with 'ostiary access grant'")

// authorize refuses a request whose caller lacks the right that its method needs. It says the same whether
// what the request is about exists or not.
func (s *Server) authorize(ctx context.Context, method string, req any) error {
	if !s.accessControl {
		return nil
	}
	needed, known := rights[method]
	if needed.open {
		return nil
	}
	caller, err := principal(ctx)
	if err != nil {
		return err
	}
	if !known {
		s.logger.Error("method without a right refused", "method", method)
		return errForbidden
	}
	allowed, err := s.allows(ctx, caller, needed, req)
	if err != nil {
		return fmt.Errorf("judge the rights of the caller %s: %w", caller, err)
	}
	if !allowed {
		return errForbidden
	}
	return nil
}

// maxRightsAge bounds how old the view may be by which the rights of a caller are judged: a node that is cut off from
// its cluster must not go on answering a caller whose rights were taken away elsewhere.
const maxRightsAge = maxGateStaleness

func (s *Server) allows(ctx context.Context, caller ostiary.Principal, needed right, req any) (bool, error) {
	if needed.claim {
		return caller == bootstrapPrincipal, nil
	}
	v, err := s.backend.View(ctx, ostiary.Freshness{MaxStaleness: maxRightsAge})
	if err != nil {
		return false, err
	}
	defer v.Close()
	if needed.of == nil {
		return s.access.MayAnything(ctx, v, caller)
	}
	target, err := needed.of(v, req)
	if err != nil {
		return false, err
	}
	return s.access.May(ctx, v, caller, needed.role, target)
}

// mayRead reports whether the caller may read a store.
func (s *Server) mayRead(ctx context.Context, v View, store string) (bool, error) {
	return s.may(ctx, v, access.Reader, store)
}

// may reports whether the caller has a role in a store.
func (s *Server) may(ctx context.Context, v View, role access.Role, store string) (bool, error) {
	if !s.accessControl {
		return true, nil
	}
	caller, err := principal(ctx)
	if err != nil {
		return false, err
	}
	return s.access.May(ctx, v, caller, role, access.Target{Store: store})
}

// accessBackend makes a Backend what package access asks for.
type accessBackend struct{ Backend }

func (b accessBackend) View(ctx context.Context, f ostiary.Freshness) (access.View, error) {
	return b.Backend.View(ctx, f)
}
