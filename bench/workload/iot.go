package workload

import (
	"fmt"
	"strconv"

	"github.com/ostiary/ostiary"
)

const iotModel = `model
  schema 1.1
type user
type crew
  relations
    define member: [user]
type site
  relations
    define manager: [user]
    define operator: [user with on_shift, crew#member with on_shift]
type device
  relations
    define site: [site]
    define read: [user, user with on_shift, crew#member] or command
    define command: [user with from_network, crew#member with from_network, user with charged] or operator from site or configure
    define configure: [user with from_network] or manager from site
condition on_shift(current_time: timestamp, starts: timestamp, ends: timestamp) {
  current_time >= starts && current_time < ends
}
condition from_network(address: ipaddress, network: string) {
  address.in_cidr(network)
}
condition charged(battery: int, least: int) {
  battery >= least
}
`

// iot has devices on sites. At Mid it has 5,000 users in 500 crews, 1,000 sites with a manager and a crew
// that operates it on its shift, and 20,000 devices. Each has a user who may read it on a shift; one in
// 2 has a crew that may command it from a network, one in 3 a user who may while its battery is
// charged, one in 10 a user who may configure it from a network. A shift is eight hours of one day of
// January 2026 or, one time in 4, the whole month; questions come from any hour of that month, any address in
// 10.0.0.0/8 and any charge.
type iot struct {
	oneStore
	unnamed
	users, crews, sites, devices int

	crewOf, manager, operator    source
	reader, commander, charged   source
	configurer, shifts, networks source
	contexts                     []map[string]any
}

const (
	iotCommandIn   = 2
	iotChargedIn   = 3
	iotConfigureIn = 10
	iotMonthIn     = 4
	iotContexts    = 512
)

func newIoT(scale string, seed uint64) shape {
	n, s := hundredths(scale), source(seed).aspect("iot")
	w := &iot{
		users: 50 * n, crews: 5 * n, sites: 10 * n, devices: 200 * n,
		crewOf: s.aspect("crew of"), manager: s.aspect("manager"), operator: s.aspect("operator"),
		reader: s.aspect("reader"), commander: s.aspect("commander"), charged: s.aspect("charged"),
		configurer: s.aspect("configurer"), shifts: s.aspect("shifts"), networks: s.aspect("networks"),
	}
	contexts := s.aspect("contexts")
	for i := range iotContexts {
		w.contexts = append(w.contexts, map[string]any{
			"current_time": iotTime(1+contexts.below(i, 0, 28), contexts.below(i, 1, 24)),
			"address":      fmt.Sprintf("10.%d.%d.7", contexts.below(i, 2, 256), contexts.below(i, 3, 256)),
			"battery":      float64(contexts.below(i, 4, 101)), // as encoding/json decodes a number
		})
	}
	return w
}

func iotTime(day, hour int) string { return fmt.Sprintf("2026-01-%02dT%02d:30:00Z", day, hour) }

func (w *iot) model() string { return iotModel }

func (w *iot) size(int) int {
	return w.users + 2*w.sites + 2*w.devices +
		w.commander.count(w.devices, iotCommandIn) +
		w.charged.count(w.devices, iotChargedIn) +
		w.configurer.count(w.devices, iotConfigureIn)
}

func (w *iot) crew(user int) int { return w.crewOf.below(user, 0, w.crews) }

func (w *iot) site(device int) int { return device % w.sites }

// shift is the condition of a tuple about the i-th thing.
func (w *iot) shift(i int) ostiary.Grant {
	if w.shifts.oneIn(i, iotMonthIn) {
		return when("on_shift", `{"ends":"2026-02-01T00:00:00Z","starts":"2026-01-01T00:00:00Z"}`)
	}
	day, hour := 1+w.shifts.below(i, 1, 28), 8*w.shifts.below(i, 2, 3)
	return when("on_shift", fmt.Sprintf(`{"ends":"2026-01-%02dT%02d:59:59Z","starts":"2026-01-%02dT%02d:00:00Z"}`, day, hour+7, day, hour))
}

// network is a /9 to /16 in 10.0.0.0/8.
func (w *iot) network(i int) ostiary.Grant {
	bits := 1 + w.networks.below(i, 0, 8)
	second := w.networks.below(i, 1, 256) >> (8 - bits) << (8 - bits)
	return when("from_network", fmt.Sprintf(`{"network":"10.%d.0.0/%d"}`, second, 8+bits))
}

func when(condition, context string) ostiary.Grant {
	return ostiary.Grant{Owner: ostiary.OwnerAPI, Condition: condition, Context: []byte(context)}
}

// conditional returns a tuple that holds under a condition.
func conditional(o ostiary.ObjectRef, relation string, s ostiary.SubjectRef, g ostiary.Grant) ostiary.Edge {
	e := edge(o, relation, s)
	e.Conditions = []ostiary.Grant{g}
	return e
}

func (w *iot) tuples(_ int, out *emitter) {
	for u := 0; u < w.users && !out.done; u++ {
		out.add(object("crew", w.crew(u)), "member", subject("user", u))
	}
	for s := 0; s < w.sites && !out.done; s++ {
		site := object("site", s)
		out.add(site, "manager", subject("user", w.manager.below(s, 0, w.users)))
		crew := w.operator.below(s, 0, w.crews)
		out.edge(conditional(site, "operator", members("crew", crew, "member"), w.shift(s)))
	}
	for d := 0; d < w.devices && !out.done; d++ {
		w.device(d, out)
	}
}

func (w *iot) device(d int, out *emitter) {
	device := object("device", d)
	out.add(device, "site", subject("site", w.site(d)))
	out.edge(conditional(device, "read", subject("user", w.reader.below(d, 0, w.users)), w.shift(d)))
	if w.commander.oneIn(d, iotCommandIn) {
		crew := w.commander.below(d, 1, w.crews)
		out.edge(conditional(device, "command", members("crew", crew, "member"), w.network(d)))
	}
	if w.charged.oneIn(d, iotChargedIn) {
		least := strconv.Itoa(w.charged.below(d, 2, 101))
		user := subject("user", w.charged.below(d, 1, w.users))
		out.edge(conditional(device, "command", user, when("charged", `{"least":`+least+`}`)))
	}
	if w.configurer.oneIn(d, iotConfigureIn) {
		user := subject("user", w.configurer.below(d, 1, w.users))
		out.edge(conditional(device, "configure", user, w.network(w.devices+d)))
	}
}

func (w *iot) context(q *Questions) map[string]any { return w.contexts[q.rng.IntN(len(w.contexts))] }

// check asks one time in four for a device that has something for the user.
func (w *iot) check(q *Questions) Question {
	user, device := q.key(w.users), q.key(w.devices)
	if q.chance(1, 4) {
		user = w.reader.below(device, 0, w.users)
	}
	relation := "read"
	switch {
	case q.chance(1, 6):
		relation = "configure"
	case q.chance(2, 5):
		relation = "command"
	}
	return Question{Object: object("device", device), Relation: relation, Subject: subject("user", user), Context: w.context(q)}
}

func (w *iot) listObjects(q *Questions) Question {
	return Question{Object: ostiary.ObjectRef{Type: "device"}, Relation: "command", Subject: subject("user", q.key(w.users)), Context: w.context(q)}
}

func (w *iot) listUsers(q *Questions) Question {
	return Question{Object: object("device", q.key(w.devices)), Relation: "command", Subject: ostiary.SubjectRef{Type: "user"}, Context: w.context(q)}
}

func (w *iot) newTuple(q *Questions, f fresh) (int, ostiary.Edge) {
	switch f.turn % 4 {
	case 0:
		d := q.key(w.devices)
		return 0, conditional(object("device", d), "read", f.subject("user"), w.shift(d))
	case 1:
		return 0, edge(object("crew", q.key(w.crews)), "member", f.subject("user"))
	case 2:
		return 0, conditional(f.object("device"), "configure", subject("user", q.key(w.users)), w.network(f.turn))
	}
	return 0, edge(f.object("device"), "site", subject("site", q.key(w.sites)))
}

func (w *iot) revocable(q *Questions, f fresh) (int, ostiary.Edge, Question) {
	context, user := w.context(q), f.subject("user")
	ask := func(o ostiary.ObjectRef, relation string, s ostiary.SubjectRef) Question {
		return Question{Object: o, Relation: relation, Subject: s, Context: context}
	}
	switch f.turn % 5 {
	case 0: // a new user on a device
		device := object("device", q.key(w.devices))
		return 0, edge(device, "read", user), ask(device, "read", user)
	case 1: // a new user on a device, from any network
		device := object("device", q.key(w.devices))
		return 0, conditional(device, "configure", user, when("from_network", `{"network":"10.0.0.0/8"}`)), ask(device, "command", user)
	case 2: // a new device for a crew
		u, device := q.key(w.users), f.object("device")
		return 0, edge(device, "read", members("crew", w.crew(u), "member")), ask(device, "read", subject("user", u))
	case 3: // a new device on a site, for its manager
		s, device := q.key(w.sites), f.object("device")
		return 0, edge(device, "site", subject("site", s)), ask(device, "configure", subject("user", w.manager.below(s, 0, w.users)))
	}
	// a new user in the crew that operates a site, at a time when it does
	s := w.shifts.chosen(q.key(w.sites/iotMonthIn), iotMonthIn) // always
	device := object("device", s+w.sites*q.key(w.devices/w.sites))
	return 0, edge(object("crew", w.operator.below(s, 0, w.crews)), "member", user), ask(device, "command", user)
}
