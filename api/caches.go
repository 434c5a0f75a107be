package api

// Cache is what one of a server's own caches holds, in entries.
type Cache struct {
	Name    string `json:"name"`
	Entries int64  `json:"entries"`
	Most    int64  `json:"most"`
}

// Caches returns what the server's own caches hold: compiled models, facts of stores, decisions about callers.
func (s *Server) Caches() []Cache {
	s.models.mu.RLock()
	models := int64(len(s.models.entries))
	s.models.mu.RUnlock()
	facts := int64(0)
	if e := s.stores.newest.Load(); e != nil {
		facts = min(e.count.Load(), maxCachedStores)
	}
	rights, most := s.access.Kept()
	return []Cache{
		{Name: "models", Entries: models, Most: int64(s.models.max)},
		{Name: "stores", Entries: facts, Most: maxCachedStores},
		{Name: "rights of callers", Entries: int64(rights), Most: int64(most)},
	}
}

// WaitingLists returns how many lists wait for a turn since they take long.
func (s *Server) WaitingLists() int {
	s.turns.mu.Lock()
	defer s.turns.mu.Unlock()
	return s.turns.waitingSize
}
