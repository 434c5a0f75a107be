package identity

import (
	"context"

	"github.com/ostiary/ostiary"
)

// SkipUsers passes over the first n users of the connection, without opening them, and returns the id of the
// last one that it passed: Users goes on after it. There were fewer when passed is less than n.
func (v *DirectoryView) SkipUsers(ctx context.Context, n int) (last string, passed int, err error) {
	return v.skip(ctx, usersOf(v.connection.ID), n)
}

// SkipGroups is SkipUsers for groups.
func (v *DirectoryView) SkipGroups(ctx context.Context, n int) (last string, passed int, err error) {
	return v.skip(ctx, groupsOf(v.connection.ID), n)
}

func (v *DirectoryView) skip(ctx context.Context, collection string, n int) (last string, passed int, err error) {
	if n <= 0 {
		return "", 0, nil
	}
	for d, err := range ostiary.EachDocument(ctx, v.view, collection, "") {
		if err != nil {
			return "", passed, err
		}
		last = d.Key.Key
		if passed++; passed == n {
			break
		}
	}
	return last, passed, nil
}
