package client

import (
	"context"
	"errors"
	"iter"
	"time"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// Change is a tuple that was written or deleted.
type Change struct {
	Tuple
	Deleted bool
	At      time.Time
	// Resume is what to pass to Changes or Watch to go on: after this change where it is the last of its page, and
	// otherwise from the beginning of its page, whose changes then come again.
	Resume string
}

// Changes yields what was written and deleted, oldest first, until now. after is Change.Resume of an earlier one, or empty
// for all that are kept; typ narrows it to objects of a type, or is empty, and is the same whenever it goes on.
//
// It ends with the first error: those of Check, among them ErrInvalid where changes after that are no longer kept.
func (c *Client) Changes(ctx context.Context, after, typ string) iter.Seq2[Change, error] {
	return c.follow(ctx, after, typ, 0)
}

// watchEvery is how long Watch waits for changes that there are not.
const watchEvery = time.Second

// changesPage is how many changes a page has at most, of what servers take by default.
const changesPage = 100

// Watch is Changes that goes on with what is written later, within about a second, until the context ends, which is
// its last error. What fails in a way that may pass is tried again without end.
func (c *Client) Watch(ctx context.Context, after, typ string) iter.Seq2[Change, error] {
	return c.follow(ctx, after, typ, watchEvery)
}

// follow pages through the changes, and where every is not 0 asks again that often.
func (c *Client) follow(ctx context.Context, after, typ string, every time.Duration) iter.Seq2[Change, error] {
	return func(yield func(Change, error) bool) {
		request := &openfgav1.ReadChangesRequest{StoreId: c.o.Store, Type: typ, ContinuationToken: after, PageSize: wrapperspb.Int32(changesPage)}
		for {
			var answer *openfgav1.ReadChangesResponse
			_, err := c.call(ctx, "ReadChanges", c.query(nil), nil, func(ctx context.Context, o ...grpc.CallOption) (err error) {
				answer, err = c.fga.ReadChanges(ctx, request, o...)
				return err
			})
			switch {
			case err == nil:
			case ctx.Err() != nil:
				yield(Change{}, ctx.Err())
				return
			case every == 0 || !errors.Is(err, ErrUnavailable) && !errors.Is(err, ErrTooMuch):
				yield(Change{}, err)
				return
			}
			if err == nil && !yieldPage(answer, request.GetContinuationToken(), yield) {
				return
			}
			next := answer.GetContinuationToken()
			if err == nil && next != "" && next != request.GetContinuationToken() {
				request.ContinuationToken = next
				if len(answer.GetChanges()) > 0 || every == 0 {
					continue
				}
			}
			if every == 0 {
				return
			}
			select {
			case <-time.After(every):
			case <-ctx.Done():
				yield(Change{}, ctx.Err())
				return
			}
		}
	}
}

// yieldPage yields the changes of a page that began at a token.
func yieldPage(page *openfgav1.ReadChangesResponse, began string, yield func(Change, error) bool) bool {
	all := page.GetChanges()
	for i, ch := range all {
		resume := began
		if i == len(all)-1 {
			resume = page.GetContinuationToken()
		}
		if !yield(Change{
			Tuple: tupleOf(ch.GetTupleKey()), At: ch.GetTimestamp().AsTime(), Resume: resume,
			Deleted: ch.GetOperation() == openfgav1.TupleOperation_TUPLE_OPERATION_DELETE,
		}, nil) {
			return false
		}
	}
	return true
}
