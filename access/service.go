package access

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"iter"
	"sync"
	"sync/atomic"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/dsl"
	"github.com/ostiary/ostiary/engine"
	"github.com/ostiary/ostiary/identity"
)

//go:embed access.fga
var modelText []byte

// View is a picture of the system store. See api.View.
type View interface {
	Close()
	DocumentsChanged() (ostiary.Revision, bool)
	Document(key ostiary.DocumentKey) (ostiary.Document, bool, error)
	Tuples(ctx context.Context, f ostiary.Filter, after *ostiary.Tuple) iter.Seq2[ostiary.StoredTuple, error]
	Reader(store string, nowNanos int64) engine.Reader
}

// Backend is the replicated store. It is safe for concurrent use.
type Backend interface {
	View(ctx context.Context, f ostiary.Freshness) (View, error)
	Now() int64
}

// Changer commits changes of the system store, and tells of them. *identity.Service is one.
type Changer interface {
	ChangeSystem(ctx context.Context, action, resource string,
		build func(v identity.View, m *ostiary.Mutation) error) (ostiary.Receipt, error)
	SystemLog(ctx context.Context, before string, limit int) ([]identity.AuditRow, error)
}

// Service decides by the rights of callers, and changes them. Make one with New.
type Service struct {
	backend Backend
	changer Changer
	engine  *engine.Engine
	plan    *engine.Plan
	recent  atomic.Pointer[epoch]
	most    int // decisions that are kept
}

// New returns a service over a backend.
func New(b Backend, c Changer) (*Service, error) {
	m, err := dsl.Compile("access.fga", modelText)
	if err != nil {
		return nil, fmt.Errorf("compile the model of callers: %w", err)
	}
	return &Service{backend: b, changer: c, engine: engine.New(engine.Options{}), plan: engine.Compile(m), most: maxDecisions}, nil
}

// rightsKey is of the document that every change of rights writes: what was decided is good while it stays.
var rightsKey = ostiary.DocumentKey{Collection: "access", Key: "rights"}

// documentForm is the form of the JSON in the documents of this package.
const documentForm = 1

type rightsBody struct {
	Form      int   `json:"form"`
	TimeNanos int64 `json:"time"` // of the change
}

func encode(body any) []byte {
	data, err := json.Marshal(body)
	if err != nil {
		panic(fmt.Sprintf("encode %T: %v", body, err))
	}
	return data
}

// decisions are what was decided under one version of the rights.
type decisions struct {
	version ostiary.Revision // of the document of rights; 0: there is none
	known   sync.Map         // of bool by question
	count   atomic.Int64
}

// maxDecisions bounds what is kept. One takes a few hundred bytes.
const maxDecisions = 100_000

type question struct {
	principal ostiary.Principal
	role      Role // empty: any at all
	target    Target
}

// epoch says which decisions are good for the views that show the same documents.
type epoch struct {
	changed ostiary.Revision
	good    *decisions
}

// goodIn returns the decisions that are good in a view, or nil where none are kept for it: it is older.
func (s *Service) goodIn(v View) (*decisions, error) {
	changed, known := v.DocumentsChanged()
	if !known {
		return nil, nil
	}
	for {
		e := s.recent.Load()
		switch {
		case e != nil && e.changed == changed:
			return e.good, nil
		case e != nil && e.changed > changed:
			return nil, nil
		}
		d, _, err := v.Document(rightsKey)
		if err != nil {
			return nil, fmt.Errorf("read the rights of callers: %w", err)
		}
		next := &epoch{changed: changed}
		if e != nil && e.good.version == d.Version {
			next.good = e.good
		} else {
			next.good = &decisions{version: d.Version}
		}
		if s.recent.CompareAndSwap(e, next) {
			return next.good, nil
		}
	}
}

// May reports whether a principal has a role in a target, in a view. An id that no store or organization can
// have is one that only who has the role in all of them may ask about.
func (s *Service) May(ctx context.Context, v View, p ostiary.Principal, role Role, t Target) (bool, error) {
	if _, err := ParseRole(string(role)); err != nil {
		return false, err
	}
	return s.ask(ctx, v, question{p, role, t.known()})
}

// MayAnything reports whether a principal has any role at all.
func (s *Service) MayAnything(ctx context.Context, v View, p ostiary.Principal) (bool, error) {
	return s.ask(ctx, v, question{principal: p})
}

// ask decides, or repeats what was decided by the same rights.
func (s *Service) ask(ctx context.Context, v View, q question) (bool, error) {
	good, err := s.goodIn(v)
	if err != nil {
		return false, err
	}
	if good == nil {
		return s.decide(ctx, v, q)
	}
	if allowed, ok := good.known.Load(q); ok {
		return allowed.(bool), nil
	}
	allowed, err := s.decide(ctx, v, q)
	if err == nil {
		good.keep(q, allowed, s.most)
	}
	return allowed, err
}

// keep remembers a decision. Where there are too many all are forgotten: who asks about what there is not, in ever other
// words, fills them, and would otherwise leave no room for those that others need.
func (d *decisions) keep(q question, allowed bool, most int) {
	if d.count.Add(1) > int64(most) {
		d.known.Clear()
		d.count.Store(1)
	}
	d.known.Store(q, allowed)
}

// Kept returns how many decisions are kept, and how many may be.
func (s *Service) Kept() (decisions, most int) {
	if e := s.recent.Load(); e != nil {
		decisions = int(min(e.good.count.Load(), int64(s.most)))
	}
	return decisions, s.most
}

// decide answers a question in a view.
func (s *Service) decide(ctx context.Context, v View, q question) (bool, error) {
	if q.role == "" {
		f := ostiary.Filter{Store: identity.SystemStore, Subject: subjectOf(q.principal)}
		for _, err := range v.Tuples(ctx, f, nil) {
			return err == nil, err
		}
		return false, nil
	}
	d, err := s.engine.Check(ctx, s.plan, s.reader(v, q.target), q.check())
	if err != nil {
		return false, fmt.Errorf("decide whether %s is %s of %s: %w", q.principal, q.role, q.target, err)
	}
	return d == ostiary.Allowed, nil
}

func (s *Service) reader(v View, t Target) engine.Reader {
	return engine.Overlay(v.Reader(identity.SystemStore, s.backend.Now()), t.links())
}

func (q question) check() engine.CheckQuery {
	return engine.CheckQuery{Object: q.target.object(), Relation: string(q.role), Subject: subjectOf(q.principal)}
}
