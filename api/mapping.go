package api

import (
	"context"
	"fmt"
	"slices"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"
	"google.golang.org/grpc/codes"

	"github.com/ostiary/ostiary"
	ostiaryv1 "github.com/ostiary/ostiary/api/gen/ostiary/v1"
	"github.com/ostiary/ostiary/dsl"
	"github.com/ostiary/ostiary/dsl/gate"
	"github.com/ostiary/ostiary/dsl/model"
	"github.com/ostiary/ostiary/identity"
)

// mappingFile is what diagnostics call a mapping that came over the wire, or is stored.
const mappingFile = "mapping"

// judgement is whether a model lets people around the gate, by the mapping of its store.
type judgement struct {
	mapping *gate.Mapping
	faults  gate.Faults
}

// judgeGate refuses a model that lets people around the gate, also by what identity providers assign. The mapping
// of a store hardly ever changes, so the last judgement is kept.
func (m *authModel) judgeGate(mapping *gate.Mapping) error {
	j := m.judged.Load()
	switch {
	case j != nil && j.mapping == mapping:
	case j != nil && j.mapping.Names == mapping.Names && slices.Equal(j.mapping.Assignable, mapping.Assignable):
		j = &judgement{mapping, j.faults} // so that the next question compares less
		m.judged.Store(j)
	default:
		j = &judgement{mapping, mapping.Lint(m.Model)}
		m.judged.Store(j)
	}
	if len(j.faults) == 0 {
		return nil
	}
	return &refusal{code: codeInvalidModel, cause: ostiary.ErrModelInvalid, text: fmt.Sprintf(
		"Authorization Model '%s' lets people around the gate of the store's organizations: %v", m.ID, j.faults)}
}

// latestModel returns the latest model of a store, nil where there is none, and what must hold for it to stay
// the latest.
func latestModel(v identity.View, store string) (*authModel, []ostiary.Precondition, error) {
	key := latestModelKey(store)
	latest, there, err := v.Document(key)
	if err != nil {
		return nil, nil, err
	}
	rest := []ostiary.Precondition{{Kind: ostiary.DocumentAtVersion, Document: key, Version: latest.Version}}
	if !there {
		return nil, rest, nil
	}
	m, err := loadModel(v, modelKey{store, string(latest.Body)})
	return m, rest, err
}

// judgeLatestModel judges the model of a store that is to get its first organization, and returns what must
// hold for the judgement to stay true.
func judgeLatestModel(_ context.Context, v identity.View, store string) ([]ostiary.Precondition, error) {
	m, rest, err := latestModel(v, store)
	if err != nil || m == nil {
		return rest, err
	}
	mapping, d, err := identity.MappingOf(v, store)
	if err != nil {
		return nil, err
	}
	if err := judgeFit(mapping, d, m.Model); err != nil {
		return nil, err
	}
	return append(rest, identity.RestOnMapping(d)), m.judgeGate(mapping)
}

// judgeMapping judges a mapping that is to become a store's, by its latest model: that it has what the mapping
// names, and where there are organizations that it lets nobody around the gate.
func judgeMapping(_ context.Context, v identity.View, store string, mapping *gate.Mapping) ([]ostiary.Precondition, error) {
	m, rest, err := latestModel(v, store)
	if err != nil {
		return nil, err
	}
	if m == nil {
		return nil, refuse(codes.FailedPrecondition, "the store has no model yet to compare the mapping with: write one first")
	}
	if err := misfit(mapping, m.Model); err != nil {
		return nil, &refusal{code: codes.InvalidArgument, cause: ostiary.ErrModelInvalid,
			text: fmt.Sprintf("the mapping does not fit the store's model: %v", err)}
	}
	on, _, err := identity.HasOrganizations(v, store)
	if err != nil || !on {
		return rest, err
	}
	return rest, m.judgeGate(mapping)
}

// misfit returns what a mapping names and a model does not have, or nil.
func misfit(mapping *gate.Mapping, m *model.Model) error {
	_, err := dsl.ReadMapping(mappingFile, dsl.PrintMapping(mapping), m)
	return err
}

// judgeFit refuses a model that lacks what the store's mapping names. Where no mapping is stored, a model may
// lack parts of the identity module: what is written to them has no effect then.
func judgeFit(mapping *gate.Mapping, stored ostiary.Document, m *model.Model) error {
	if stored.Version == 0 {
		return nil
	}
	if err := misfit(mapping, m); err != nil {
		return &refusal{code: codeInvalidModel, cause: ostiary.ErrModelInvalid,
			text: fmt.Sprintf("the model does not fit the store's identity mapping ('ostiary org mapping show' prints it): %v", err)}
	}
	return nil
}

// judgeWrittenModel judges a model that is to be written to a store with organizations. Where it has none,
// the mutation rests on that.
func judgeWrittenModel(v View, store string, body []byte, m *ostiary.Mutation) error {
	on, d, err := identity.HasOrganizations(v, store)
	if err != nil {
		return err
	}
	m.Preconditions = append(m.Preconditions, identity.GateMoves(d))
	if !on {
		return nil
	}
	compiled, err := dsl.CompileJSON(modelFile, body)
	if err != nil {
		return err
	}
	mapping, stored, err := identity.MappingOf(v, store)
	if err != nil {
		return err
	}
	m.Preconditions = append(m.Preconditions, identity.RestOnMapping(stored))
	return judgeGatedModel(mapping, stored, compiled)
}

// judgeGatedModel refuses a model that a store with organizations cannot take.
func judgeGatedModel(mapping *gate.Mapping, stored ostiary.Document, compiled *model.Model) error {
	if err := judgeFit(mapping, stored, compiled); err != nil {
		return err
	}
	if faults := gate.Lint(compiled, &mapping.Names); len(faults) > 0 {
		return &refusal{code: codeInvalidModel, cause: ostiary.ErrModelInvalid,
			text: fmt.Sprintf("the model lets people around the gate of the store's organizations: %v", faults)}
	}
	return nil
}

// SetMapping says what the store's model calls the parts of identity.
func (i *identityService) SetMapping(ctx context.Context, req *ostiaryv1.SetMappingRequest) (*ostiaryv1.SetMappingResponse, error) {
	mapping, err := i.readMapping(ctx, req)
	if err != nil {
		return nil, err
	}
	r, err := i.server.identity.SetMapping(carry(ctx), req.GetStoreId(), mapping)
	return &ostiaryv1.SetMappingResponse{}, done(ctx, r, err)
}

// readMapping reads a mapping beside the store's newest model, so that what it names and the model does not have
// is told with line and column.
func (i *identityService) readMapping(ctx context.Context, req *ostiaryv1.SetMappingRequest) (*gate.Mapping, error) {
	v, err := i.server.view(ctx, openfgav1.ConsistencyPreference_UNSPECIFIED)
	if err != nil {
		return nil, err
	}
	defer v.Close()
	if _, err := storeDocument(v, req.GetStoreId()); err != nil {
		return nil, err
	}
	latest, _, err := latestModel(v, req.GetStoreId())
	if err != nil {
		return nil, err
	}
	var m *model.Model
	if latest != nil {
		m = latest.Model
	}
	mapping, err := dsl.ReadMapping(mappingFile, []byte(req.GetYaml()), m)
	if err != nil {
		return nil, refuse(codes.InvalidArgument, "%v", err)
	}
	return mapping, nil
}

// GetMapping returns the store's mapping.
func (i *identityService) GetMapping(ctx context.Context, req *ostiaryv1.GetMappingRequest) (*ostiaryv1.GetMappingResponse, error) {
	mapping, err := i.server.identity.Mapping(ctx, req.GetStoreId())
	if err != nil {
		return nil, err
	}
	return &ostiaryv1.GetMappingResponse{Yaml: string(dsl.PrintMapping(mapping))}, nil
}
