package main

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"
	ostiaryv1 "github.com/ostiary/ostiary/api/gen/ostiary/v1"
	"github.com/ostiary/ostiary/scim/resource"
	"github.com/ostiary/ostiary/scim/scimerr"
)

// connectionTest is one run of 'connection test'.
type connectionTest struct {
	a          *app
	admin      identityClient
	fga        openfgav1.OpenFGAServiceClient
	connection *ostiaryv1.Connection
	shown      *credentials // nil: the test makes its own
	scim       *scimProbe

	steps  []testStep
	failed int
	halted bool // the endpoint cannot be reached
}

func inFiveMinutes() *timestamppb.Timestamp { return timestamppb.New(time.Now().Add(5 * time.Minute)) }

// run takes all steps, ends what it has made, and reports.
func (t *connectionTest) run(ctx context.Context, write bool) error {
	if !t.step("where the connection is", t.judgeURL) {
		return t.report()
	}
	t.step("the connection is not paused", func() (string, error) {
		if reason := t.connection.GetPaused(); reason != "" {
			return "", &adviceError{detail: "it is: " + reason, advice: "it takes deactivations alone until: ostiary connection resume " + t.connection.GetId()}
		}
		return "", nil
	})
	end, ok := t.letIn(ctx, write)
	if ok {
		t.read(ctx)
		if write && !t.halted {
			t.write(ctx)
		}
	}
	if end != nil {
		t.step("end what was made to be let in", func() (string, error) { return "", end(context.WithoutCancel(ctx)) })
	}
	return t.report()
}

func (t *connectionTest) judgeURL() (string, error) {
	if strings.HasPrefix(t.scim.url, "/") {
		return "", &adviceError{detail: "the server does not know its own URL",
			advice: "pass --url https://HOST, and start the server with --public-url https://HOST"}
	}
	if strings.HasPrefix(t.scim.url, "http://") {
		return t.scim.url + " (identity providers ask for https)", nil
	}
	return t.scim.url, nil
}

// read takes the steps that change nothing.
func (t *connectionTest) read(ctx context.Context) {
	t.step("read the configuration", func() (string, error) {
		a, err := t.ask(ctx, http.MethodGet, "/ServiceProviderConfig", "", resource.ServiceProviderConfig, http.StatusOK)
		if err != nil {
			return "", err
		}
		if at := a.Meta.Location; !strings.HasPrefix(at, t.scim.url) {
			return "it says that it is at " + at + "; where that is not what the provider has, serve --public-url", nil
		}
		return "", nil
	})
	if t.halted {
		return
	}
	t.step("look for a person who does not exist", func() (string, error) { return "", t.finds(ctx, probeName(), "") })
	t.step("be refused with a wrong token", func() (string, error) {
		random := make([]byte, 32)
		rand.Read(random) // never fails
		a, err := t.scim.send(ctx, http.MethodGet, "/Users?count=1", "ostiary_"+base64.RawURLEncoding.EncodeToString(random), "")
		switch {
		case err != nil:
			return "", err
		case a.status == http.StatusOK:
			return "", &adviceError{detail: "a token that nobody has was let in", advice: "what stands in front of the server answers in its place, or puts a token of its own into requests"}
		case a.status != http.StatusUnauthorized || !slices.Contains(a.Schemas, scimerr.Schema) || a.challenge == "":
			return "", t.unexpected(a, "401, an error of SCIM and WWW-Authenticate")
		}
		return "", nil
	})
}

// probeName is a name that nobody has.
func probeName() string { return "ostiary-connection-test-" + strings.ToLower(rand.Text()) }

// ask sends a request and expects one of some statuses, and a body of a schema where there is one to expect.
func (t *connectionTest) ask(ctx context.Context, method, path, body, schema string, statuses ...int) (*probeAnswer, error) {
	a, err := t.scim.send(ctx, method, path, t.scim.token, body)
	if err != nil {
		return nil, err
	}
	if !slices.Contains(statuses, a.status) || schema != "" && a.status == statuses[0] && !slices.Contains(a.Schemas, schema) {
		return nil, t.unexpected(a, strings.Trim(fmt.Sprint(statuses), "[]"))
	}
	return a, nil
}

func (t *connectionTest) unexpected(a *probeAnswer, wanted string) error {
	detail := fmt.Sprintf("status %d, not %s", a.status, wanted)
	if strings.HasPrefix(wanted, fmt.Sprint(a.status)) {
		detail = fmt.Sprintf("status %d with another body than SCIM's", a.status)
	}
	if a.Detail != "" {
		detail += ": " + a.Detail
	}
	return &adviceError{detail: detail, advice: t.adviceOn(a.status, a.retryAfter)}
}

// finds looks for a person by userName, and expects the one of an id, or nobody.
func (t *connectionTest) finds(ctx context.Context, name, id string) error {
	a, err := t.ask(ctx, http.MethodGet, "/Users?filter="+url.QueryEscape(`userName eq "`+name+`"`), "", resource.ListResponse, http.StatusOK)
	switch {
	case err != nil:
		return err
	case a.Total == nil:
		return t.unexpected(a, "200")
	case id == "" && *a.Total == 0, id != "" && *a.Total == 1 && len(a.Resources) == 1 && a.Resources[0].ID == id:
		return nil
	}
	return &adviceError{detail: fmt.Sprintf("%d are found", *a.Total), advice: "does the URL lead to this server?"}
}

// write takes the steps that change something, sees by checks that they have effect, and takes back what it
// has made, also where a step fails.
func (t *connectionTest) write(ctx context.Context) {
	names, err := t.admin.names(ctx)
	if err != nil {
		t.step("ask for the names of the model", func() (string, error) { return "", err })
		return
	}
	name, user, group := probeName(), "", ""
	organization := names.Organization.Type + ":" + t.connection.GetOrganizationId()
	member := func(want bool) (string, error) {
		return t.check(ctx, organization, names.Organization.Member, names.User+":"+user, want)
	}
	if !t.step("create a person", func() (string, error) {
		a, err := t.ask(ctx, http.MethodPost, "/Users", `{"schemas":["`+resource.UserSchema+`"],"userName":"`+name+`","externalId":"`+name+`","active":true}`, resource.UserSchema, http.StatusCreated)
		if err != nil {
			return "", err
		}
		user = a.ID
		return member(true)
	}) && user == "" {
		return
	}
	t.step("find the person", func() (string, error) { return user, t.finds(ctx, name, user) })
	if names.Group.Type != "" {
		t.step("create a group", func() (string, error) {
			a, err := t.ask(ctx, http.MethodPost, "/Groups", `{"schemas":["`+resource.GroupSchema+`"],"displayName":"`+name+`","externalId":"`+name+`"}`, resource.GroupSchema, http.StatusCreated)
			if err != nil {
				return "", err
			}
			group = a.ID
			return group, nil
		})
	}
	inGroup := func(want bool) (string, error) {
		return t.check(ctx, names.Group.Type+":"+t.connection.GetOrganizationId()+"/"+group, names.Group.Member, names.User+":"+user, want)
	}
	if group != "" {
		t.step("add the person to the group", func() (string, error) {
			if err := t.patch(ctx, "/Groups/"+group, `{"op":"add","path":"members","value":[{"value":"`+user+`"}]}`); err != nil {
				return "", err
			}
			return inGroup(true)
		})
	}
	t.step("deactivate the person", func() (string, error) {
		if err := t.patch(ctx, "/Users/"+user, `{"op":"replace","path":"active","value":false}`); err != nil {
			return "", err
		}
		if group != "" {
			if detail, err := inGroup(false); err != nil {
				return detail, err
			}
		}
		return member(false)
	})
	t.step("activate the person again", func() (string, error) {
		if err := t.patch(ctx, "/Users/"+user, `{"op":"replace","path":"active","value":true}`); err != nil {
			return "", err
		}
		return member(true)
	})
	t.takeBack(context.WithoutCancel(ctx), user, group, member)
}

// takeBack deletes what write has made.
func (t *connectionTest) takeBack(ctx context.Context, user, group string, member func(bool) (string, error)) {
	if group != "" {
		t.step("delete the group", func() (string, error) {
			if _, err := t.ask(ctx, http.MethodDelete, "/Groups/"+group, "", "", http.StatusNoContent); err != nil {
				return "", err
			}
			_, err := t.ask(ctx, http.MethodGet, "/Groups/"+group, "", scimerr.Schema, http.StatusNotFound)
			return "", err
		})
	}
	t.step("delete the person", func() (string, error) {
		if _, err := t.ask(ctx, http.MethodDelete, "/Users/"+user, "", "", http.StatusNoContent); err != nil {
			return "", err
		}
		if _, err := t.ask(ctx, http.MethodGet, "/Users/"+user, "", scimerr.Schema, http.StatusNotFound); err != nil {
			return "", err
		}
		return member(false)
	})
}

// patch sends one operation.
func (t *connectionTest) patch(ctx context.Context, path, operation string) error {
	_, err := t.ask(ctx, http.MethodPatch, path, `{"schemas":["`+resource.PatchOp+`"],"Operations":[`+operation+`]}`, "", http.StatusOK, http.StatusNoContent)
	return err
}

// check asks whether somebody has a relation, and says so.
func (t *connectionTest) check(ctx context.Context, object, relation, user string, want bool) (string, error) {
	answer, err := t.fga.Check(ctx, &openfgav1.CheckRequest{
		StoreId: t.admin.store, Consistency: openfgav1.ConsistencyPreference_HIGHER_CONSISTENCY,
		TupleKey: &openfgav1.CheckRequestTupleKey{Object: object, Relation: relation, User: user},
	})
	if err != nil {
		return "", &adviceError{detail: "check " + object + "#" + relation + "@" + user + ": " + err.Error(), advice: "does the store have a model? ostiary org init"}
	}
	word := map[bool]string{true: "allowed", false: "denied"}
	detail := object + "#" + relation + "@" + user + " is " + word[answer.GetAllowed()]
	if answer.GetAllowed() != want {
		return "", &adviceError{detail: detail + ", not " + word[want],
			advice: "does the URL lead to the server of --server? Or see ostiary org gate show, and ostiary org verify " + t.connection.GetOrganizationId()}
	}
	return detail, nil
}
