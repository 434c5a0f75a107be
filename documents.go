package ostiary

import (
	"context"
	"iter"
)

// firstDocuments and moreDocuments are how many documents EachDocument reads at first, and then at a time: most lists are
// short, and a page takes no more of a long one.
const (
	firstDocuments = 101
	moreDocuments  = 500
)

// EachDocument yields the documents of a collection that come after a key, by their keys. The sequence ends after it has
// yielded an error.
func EachDocument(
	ctx context.Context,
	v interface {
		Documents(collection, afterKey string, limit int, descending bool) ([]Document, error)
	},
	collection, after string,
) iter.Seq2[Document, error] {
	return func(yield func(Document, error) bool) {
		for limit := firstDocuments; ; limit = moreDocuments {
			docs, err := v.Documents(collection, after, limit, false)
			if err == nil {
				err = ctx.Err()
			}
			if err != nil {
				yield(Document{}, err)
				return
			}
			for _, d := range docs {
				if !yield(d, nil) {
					return
				}
			}
			if len(docs) < limit {
				return
			}
			after = docs[len(docs)-1].Key.Key
		}
	}
}
