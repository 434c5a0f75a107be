package condition

import "testing"

const grantTime = "current_time < grant_time + grant_duration"

var grantParameters = []string{"current_time:timestamp", "grant_time:timestamp", "grant_duration:duration"}

func BenchmarkCompile(b *testing.B) {
	c := declare(b, grantTime, grantParameters...)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Compile(c, Options{}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkEvaluate(b *testing.B) {
	for _, c := range []struct {
		name, expression string
		parameters       []string
		tuple, request   string
	}{
		{"shape=bool", "a", []string{"a:bool"}, `{}`, `{"a": true}`},
		{"shape=grant", grantTime, grantParameters, `{"grant_time": "2026-01-01T00:00:00Z", "grant_duration": "1h"}`, `{"current_time": "2026-01-01T00:10:00Z"}`},
		{"shape=cidr", "ip.in_cidr(net)", []string{"ip:ipaddress", "net:string"}, `{"net": "10.0.0.0/8"}`, `{"ip": "10.1.2.3"}`},
		{"shape=in", "region in regions", []string{"region:string", "regions:list<string>"}, `{"regions": ["a", "b", "c", "d"]}`, `{"region": "d"}`},
	} {
		b.Run(c.name, func(b *testing.B) {
			bound := compiled(b, c.expression, c.parameters...).Bind(object(b, c.request))
			tuple := object(b, c.tuple)
			b.ReportAllocs()
			for b.Loop() {
				if holds, err := bound.Evaluate(tuple); err != nil || !holds {
					b.Fatal(holds, err)
				}
			}
		})
	}
}
