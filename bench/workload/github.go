package workload

import "github.com/ostiary/ostiary"

const githubModel = `model
  schema 1.1
type user
type team
  relations
    define member: [user, team#member]
type organization
  relations
    define owner: [user]
    define member: [user] or owner
    define reads_all: [organization#member]
    define pushes_all: [organization#member, team#member]
type repo
  relations
    define organization: [organization]
    define admin: [user, team#member] or owner from organization
    define maintain: [user, team#member] or admin
    define push: [user, team#member] or maintain or pushes_all from organization
    define triage: [user, team#member] or push
    define read: [user, team#member] or triage or reads_all from organization
`

// github is a host of repositories. At Mid it has 10,000 users, each in two of 200 organizations and
// there in one of five teams; the teams of an organization form a tree. Each of 20,000 repositories
// belongs to an organization and has a role for one of its teams and for 0 to 2 other users. Half of the
// organizations let every member read every repository, one in 8 push.
type github struct {
	oneStore
	unnamed
	users, organizations, teams, repos int

	memberOf, teamOf, teamAbove, owners source
	readsAll, pushesAll                 source
	repoTeam, repoRole, guests, guest   source
}

const (
	githubMemberships = 2
	githubTeams       = 5 // of an organization
	githubReadsIn     = 2
	githubPushesIn    = 8
)

// githubRoles come from the widest to the narrowest; how often each is granted rises.
var githubRoles = []string{"admin", "maintain", "push", "triage", "read"}

func newGithub(scale string, seed uint64) shape {
	n, s := hundredths(scale), source(seed).aspect("github")
	w := &github{
		users: 100 * n, organizations: 2 * n, repos: 200 * n,
		memberOf: s.aspect("member of"), teamOf: s.aspect("team of"), teamAbove: s.aspect("team above"),
		owners: s.aspect("owners"), readsAll: s.aspect("reads all"), pushesAll: s.aspect("pushes all"),
		repoTeam: s.aspect("repo team"), repoRole: s.aspect("repo role"),
		guests: s.aspect("guests"), guest: s.aspect("guest"),
	}
	w.teams = githubTeams * w.organizations
	return w
}

func (w *github) model() string { return githubModel }

func (w *github) size(int) int {
	guests := 0
	for i := w.repos / 3 * 3; i < w.repos; i++ {
		guests += w.guestsOf(i)
	}
	return 2*githubMemberships*w.users +
		w.organizations + // owners
		w.readsAll.count(w.organizations, githubReadsIn) +
		w.pushesAll.count(w.organizations, githubPushesIn) +
		w.teams - w.organizations + // teams in teams
		2*w.repos + w.repos/3*3 + guests
}

func (w *github) organizationsOf(buf []int, user int) []int {
	return w.memberOf.distinct(buf, user, githubMemberships, w.organizations)
}

// team returns the k-th team of an organization.
func (w *github) team(organization, k int) int { return organization*githubTeams + k }

// joined returns the team of the organization that a user is in.
func (w *github) joined(user, organization int) int {
	return w.team(organization, w.teamOf.below(user, organization, githubTeams))
}

func (w *github) owner(organization int) int { return w.owners.below(organization, 0, w.users) }

// host returns the organization of a repository; the repositories of one are as far apart as there are
// organizations.
func (w *github) host(repo int) int { return repo % w.organizations }

func (w *github) guestsOf(repo int) int { return (repo + w.guests.below(repo/3, 0, 3)) % 3 }

// granted returns the team that has a role in a repository, and the role.
func (w *github) granted(repo int) (team int, role string) {
	return w.team(w.host(repo), w.repoTeam.below(repo, 0, githubTeams)), w.role(repo, 0)
}

func (w *github) role(repo, draw int) string {
	roles := len(githubRoles)
	return githubRoles[roles-1-w.repoRole.skewed(repo, draw, roles)]
}

func (w *github) tuples(_ int, out *emitter) {
	var buf []int
	for u := 0; u < w.users && !out.done; u++ {
		buf = w.organizationsOf(buf[:0], u)
		for _, o := range buf {
			out.add(object("organization", o), "member", subject("user", u))
			out.add(object("team", w.joined(u, o)), "member", subject("user", u))
		}
	}
	for o := 0; o < w.organizations && !out.done; o++ {
		organization := object("organization", o)
		out.add(organization, "owner", subject("user", w.owner(o)))
		if w.readsAll.oneIn(o, githubReadsIn) {
			out.add(organization, "reads_all", of(organization, "member"))
		}
		if w.pushesAll.oneIn(o, githubPushesIn) {
			out.add(organization, "pushes_all", of(organization, "member"))
		}
		for k := 1; k < githubTeams; k++ {
			up := w.team(o, w.teamAbove.below(w.team(o, k), 0, k))
			out.add(object("team", up), "member", members("team", w.team(o, k), "member"))
		}
	}
	for r := 0; r < w.repos && !out.done; r++ {
		repo := object("repo", r)
		out.add(repo, "organization", subject("organization", w.host(r)))
		team, role := w.granted(r)
		out.add(repo, role, members("team", team, "member"))
		buf = w.guest.distinct(buf[:0], r, w.guestsOf(r), w.users)
		for i, u := range buf {
			out.add(repo, w.role(r, 1+i), subject("user", u))
		}
	}
}

// check asks half of the time for a repository of an organization that the user is in.
func (w *github) check(q *Questions) Question {
	user, repo := q.key(w.users), q.key(w.repos)
	if q.chance(1, 2) {
		own := w.organizationsOf(nil, user)
		repo = own[q.rng.IntN(len(own))] + w.organizations*q.key(w.repos/w.organizations)
	}
	relation := "read"
	switch {
	case q.chance(1, 6):
		relation = "admin"
	case q.chance(2, 5):
		relation = "push"
	}
	return Question{Object: object("repo", repo), Relation: relation, Subject: subject("user", user)}
}

func (w *github) listObjects(q *Questions) Question {
	return Question{Object: ostiary.ObjectRef{Type: "repo"}, Relation: "read", Subject: subject("user", q.key(w.users))}
}

func (w *github) listUsers(q *Questions) Question {
	return Question{Object: object("repo", q.key(w.repos)), Relation: "push", Subject: ostiary.SubjectRef{Type: "user"}}
}

func (w *github) newTuple(q *Questions, f fresh) (int, ostiary.Edge) {
	switch f.turn % 4 {
	case 0:
		return 0, edge(object("repo", q.key(w.repos)), "push", f.subject("user"))
	case 1:
		return 0, edge(object("team", q.key(w.teams)), "member", f.subject("user"))
	case 2:
		return 0, edge(f.object("repo"), "push", subject("user", q.key(w.users)))
	}
	return 0, edge(f.object("repo"), "organization", subject("organization", q.key(w.organizations)))
}

func (w *github) revocable(q *Questions, f fresh) (int, ostiary.Edge, Question) {
	user := f.subject("user")
	switch f.turn % 5 {
	case 0: // a new user in a repository
		repo := object("repo", q.key(w.repos))
		return 0, edge(repo, "maintain", user), Question{Object: repo, Relation: "triage", Subject: user}
	case 1: // a new user in a team with a role
		r := q.key(w.repos)
		team, role := w.granted(r)
		return 0, edge(object("team", team), "member", user), Question{Object: object("repo", r), Relation: role, Subject: user}
	case 2: // a new user in an organization whose members read everything
		o := w.readsAll.chosen(q.key(w.organizations/githubReadsIn), githubReadsIn)
		repo := o + w.organizations*q.key(w.repos/w.organizations)
		return 0, edge(object("organization", o), "member", user), Question{Object: object("repo", repo), Relation: "read", Subject: user}
	case 3: // a new repository for a team that exists
		u := q.key(w.users)
		team := w.joined(u, w.organizationsOf(nil, u)[0])
		repo := f.object("repo")
		return 0, edge(repo, "push", members("team", team, "member")), Question{Object: repo, Relation: "read", Subject: subject("user", u)}
	}
	// a new repository of an organization, for its owner
	o, repo := q.key(w.organizations), f.object("repo")
	return 0, edge(repo, "organization", subject("organization", o)),
		Question{Object: repo, Relation: "push", Subject: subject("user", w.owner(o))}
}
