package identity

import (
	"encoding/json"
	"math/rand/v2"
	"reflect"
	"testing"

	"github.com/ostiary/ostiary"
)

// wholeSession has every field.
func wholeSession() sessionBody {
	return sessionBody{
		form: form{bodyForm}, User: "u01", Client: "portal", Connection: "c01", Issuer: "https://id.example/a", Sealed: []byte("sealed\xff\x00"),
		Link: "Zm9v:acme/s01", Layer: LayerApp, ACR: "urn:x:y", AMR: []string{"pwd", "otp"}, AuthNanos: 1, CreatedNanos: 1 << 60,
		PresentedNanos: 1700000000000000000, ExpiresNanos: 1700000000000000001, LimitNanos: 7, Device: "laptop", Parent: "acme/s02",
		Actor: "u02",
	}
}

// TestSessionBodyIsDecoded demands that quickSessionBody know what is written, field by field, so that one that is
// added is not forgotten there.
func TestSessionBodyIsDecoded(t *testing.T) {
	whole := wholeSession()
	all := reflect.ValueOf(whole)
	for i := 1; i < all.NumField(); i++ { // after the form
		if all.Field(i).IsZero() {
			t.Fatalf("field %s of the session is not set", all.Type().Field(i).Name)
		}
		one := sessionBody{form: form{bodyForm}}
		reflect.ValueOf(&one).Elem().Field(i).Set(all.Field(i))
		if got, ok := quickSessionBody(string(encode(one))); !ok || !reflect.DeepEqual(got, one) {
			t.Errorf("%s\ndecoded as %+v, %v\nwant       %+v", encode(one), got, ok, one)
		}
	}
	if got, ok := quickSessionBody(string(encode(whole))); !ok || !reflect.DeepEqual(got, whole) {
		t.Errorf("decoded as %+v, %v\nwant       %+v", got, ok, whole)
	}
}

// TestSessionBodyAsJSON breaks bodies at random, and demands of each that quickSessionBody decodes that package
// json decode it alike.
func TestSessionBodyAsJSON(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	odd := wholeSession()
	odd.Issuer, odd.ACR, odd.AMR, odd.Client = "https://id.example/?a&b=<ü>", "\\\"\n\u2028", nil, ""
	seeds := [][]byte{encode(wholeSession()), encode(odd), encode(sessionBody{form: form{bodyForm}}), []byte(`{"form":1,"amr":["a"],"amr":["b","c"]}`)}
	const signs = "\"{}[]:,\\0123456789-+.eEnulltrue \n\x00\x7fé=/ "
	quick := 0
	for range 10_000 {
		body := append([]byte{}, seeds[rng.IntN(len(seeds))]...)
		for range rng.IntN(3) {
			at := rng.IntN(len(body))
			switch rng.IntN(4) {
			case 0:
				body[at] = signs[rng.IntN(len(signs))]
			case 1:
				body = append(body[:at], body[at+1:]...)
			case 2:
				body = append(body[:at], append([]byte{signs[rng.IntN(len(signs))]}, body[at:]...)...)
			case 3:
				body = body[:at+1]
			}
		}
		got, ok := quickSessionBody(string(body))
		if !ok {
			continue
		}
		quick++
		var want sessionBody
		if err := json.Unmarshal(body, &want); err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("%q\ndecoded as %+v\npackage json: %+v, %v", body, got, want, err)
		}
	}
	if quick < 1000 {
		t.Errorf("only %d bodies were decoded", quick)
	}
}

func BenchmarkSessionBody(b *testing.B) {
	d := ostiary.Document{Body: encode(wholeSession())}
	b.Run("quick", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := decodeSessionBody(d); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("json", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := decode[sessionBody](d); err != nil {
				b.Fatal(err)
			}
		}
	})
}
