package access

// KeepAtMost bounds the decisions that are kept.
func (s *Service) KeepAtMost(n int) { s.most = n }

// Knows reports whether a decision is kept.
func (s *Service) Knows(q Query, role Role) bool {
	_, known := s.recent.Load().good.known.Load(question{*q.Principal, role, q.Target.known()})
	return known
}
