package workload

import "github.com/ostiary/ostiary"

const saasModel = `model
  schema 1.1
type user
type role
  relations
    define assignee: [user]
type project
  relations
    define owner: [user]
    define editor: [user, role#assignee]
    define viewer: [user, user:*, role#assignee]
    define edit: editor or owner
    define view: viewer or edit
type task
  relations
    define project: [project]
    define assignee: [user]
    define edit: assignee or edit from project
    define view: edit or view from project
`

// saas has a store for every customer, 200 at Mid. A store has four to 200 projects (cubic: most have few),
// three users and ten tasks for each project, and five roles that every user has one of. A project has
// an owner, a role as viewer and one as editor; one in 20 is for everybody. A task has an assignee.
type saas struct {
	unnamed
	count int

	projects                  source
	owner, roleOf             source
	viewer, editor, everybody source
	assignee                  source
}

const (
	saasUsers       = 3  // a project
	saasTasks       = 10 // a project
	saasRoles       = 5  // a store
	saasEverybodyIn = 20
)

func newSaaS(scale string, seed uint64) shape {
	s := source(seed).aspect("saas")
	return &saas{
		count:    max(5, 2*hundredths(scale)),
		projects: s.aspect("projects"), owner: s.aspect("owner"), roleOf: s.aspect("role of"),
		viewer: s.aspect("viewer"), editor: s.aspect("editor"), everybody: s.aspect("everybody"),
		assignee: s.aspect("assignee"),
	}
}

func (w *saas) model() string { return saasModel }
func (w *saas) stores() int   { return w.count }

func (w *saas) size(store int) int {
	p := w.projectsOf(store)
	return saasUsers*p + 3*p + 2*saasTasks*p + w.in(w.everybody, store).count(p, saasEverybodyIn)
}

func (w *saas) projectsOf(store int) int { return 4 + w.projects.skewed(store, 0, 197) }

// in returns the facts of a store.
func (w *saas) in(s source, store int) source { return source(s.at(store, 0)) }

func (w *saas) role(store, user int) int { return w.in(w.roleOf, store).below(user, 0, saasRoles) }

func (w *saas) ownerOf(store, project int) int {
	return w.in(w.owner, store).below(project, 0, saasUsers*w.projectsOf(store))
}

func (w *saas) tuples(store int, out *emitter) {
	projects := w.projectsOf(store)
	users := saasUsers * projects
	for u := 0; u < users && !out.done; u++ {
		out.add(object("role", w.role(store, u)), "assignee", subject("user", u))
	}
	viewer, editor := w.in(w.viewer, store), w.in(w.editor, store)
	all, assignee := w.in(w.everybody, store), w.in(w.assignee, store)
	for p := 0; p < projects && !out.done; p++ {
		project := object("project", p)
		out.add(project, "owner", subject("user", w.ownerOf(store, p)))
		out.add(project, "viewer", members("role", viewer.below(p, 0, saasRoles), "assignee"))
		out.add(project, "editor", members("role", editor.below(p, 0, saasRoles), "assignee"))
		if all.oneIn(p, saasEverybodyIn) {
			out.add(project, "viewer", everybody("user"))
		}
		for t := p * saasTasks; t < (p+1)*saasTasks; t++ {
			out.add(object("task", t), "project", plain(project))
			out.add(object("task", t), "assignee", subject("user", assignee.below(t, 0, users)))
		}
	}
}

func (w *saas) check(q *Questions) Question {
	store := q.key(w.count)
	projects := w.projectsOf(store)
	relation := "view"
	if q.chance(1, 3) {
		relation = "edit"
	}
	return Question{Store: store, Object: object("task", q.key(saasTasks*projects)), Relation: relation,
		Subject: subject("user", q.key(saasUsers*projects))}
}

func (w *saas) listObjects(q *Questions) Question {
	store := q.key(w.count)
	return Question{Store: store, Object: ostiary.ObjectRef{Type: "task"}, Relation: "view",
		Subject: subject("user", q.key(saasUsers*w.projectsOf(store)))}
}

func (w *saas) listUsers(q *Questions) Question {
	store := q.key(w.count)
	return Question{Store: store, Object: object("task", q.key(saasTasks*w.projectsOf(store))), Relation: "view",
		Subject: ostiary.SubjectRef{Type: "user"}}
}

func (w *saas) newTuple(q *Questions, f fresh) (int, ostiary.Edge) {
	store := q.key(w.count)
	projects := w.projectsOf(store)
	switch f.turn % 4 {
	case 0:
		return store, edge(object("project", q.key(projects)), "viewer", f.subject("user"))
	case 1:
		return store, edge(object("role", q.key(saasRoles)), "assignee", f.subject("user"))
	case 2:
		return store, edge(f.object("task"), "assignee", subject("user", q.key(saasUsers*projects)))
	}
	return store, edge(f.object("task"), "project", subject("project", q.key(projects)))
}

func (w *saas) revocable(q *Questions, f fresh) (int, ostiary.Edge, Question) {
	store, user := q.key(w.count), f.subject("user")
	project := q.key(w.projectsOf(store))
	edit := func(o ostiary.ObjectRef, s ostiary.SubjectRef) Question {
		return Question{Store: store, Object: o, Relation: "edit", Subject: s}
	}
	task := object("task", project*saasTasks+q.rng.IntN(saasTasks))
	switch f.turn % 4 {
	case 0: // a new user on a task
		return store, edge(task, "assignee", user), edit(task, user)
	case 1: // a new user in a role that edits a project
		role := object("role", w.in(w.editor, store).below(project, 0, saasRoles))
		return store, edge(role, "assignee", user), edit(task, user)
	case 2: // a new project for a role
		u, created := q.key(saasUsers*w.projectsOf(store)), f.object("project")
		return store, edge(created, "editor", members("role", w.role(store, u), "assignee")), edit(created, subject("user", u))
	}
	// a new task in a project, for its owner
	created := f.object("task")
	return store, edge(created, "project", subject("project", project)), edit(created, subject("user", w.ownerOf(store, project)))
}
