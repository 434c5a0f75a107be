package identity

// Bound lets a list of the catalogue read n objects.
func (k *Catalogue) Bound(n int) { k.most = n }
