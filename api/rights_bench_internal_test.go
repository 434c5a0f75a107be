package api

import (
	"testing"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"

	"github.com/ostiary/ostiary"
)

// BenchmarkAuthorize judges the right of a caller who may ask a Check, over and over: what access control adds to one.
// BenchmarkCheck/surface=grpc tells what a whole one takes.
func BenchmarkAuthorize(b *testing.B) {
	g := newGuarded(b)
	ctx := ostiary.WithPrincipal(b.Context(), ostiary.Principal{Kind: "preshared", Name: "store-reader"})
	req := &openfgav1.CheckRequest{StoreId: g.store}
	b.ReportAllocs()
	for b.Loop() {
		if err := g.authorize(ctx, openfgav1.OpenFGAService_Check_FullMethodName, req); err != nil {
			b.Fatal(err)
		}
	}
}
