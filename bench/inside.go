package bench

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// insideMetric is Ostiary's histogram of the time that requests spend inside the server.
const insideMetric = "ostiary_api_request_duration_seconds_bucket{"

// Inside is the latency of a run's requests as the server itself counted it, without the wire. Quantiles
// are interpolated within the server's buckets, as histogram_quantile does.
type Inside struct {
	Method string  `json:"method"`
	Count  int64   `json:"count"`
	P50    float64 `json:"p50"`
	P95    float64 `json:"p95"`
	P99    float64 `json:"p99"`
	P999   float64 `json:"p99_9"`
}

// buckets are the counts of a histogram by the upper end of the bucket in seconds; each holds those of
// the ones below too.
type buckets map[float64]float64

// readInside reads the server's histogram of one method.
func readInside(ctx context.Context, url, method string) (buckets, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, fmt.Errorf("read the server's metrics: %w", err)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, fmt.Errorf("read the server's metrics: %w", err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("read the server's metrics: %s answers %s", url, answer.Status)
	}
	return parseInside(answer.Body, method)
}

// parseInside sums the buckets of one method over its codes.
func parseInside(text io.Reader, method string) (buckets, error) {
	found := buckets{}
	label := `method="` + strings.TrimPrefix(method, "/") + `"`
	lines := bufio.NewScanner(text)
	for lines.Scan() {
		line, ok := strings.CutPrefix(lines.Text(), insideMetric)
		if !ok || !strings.Contains(line, label) {
			continue
		}
		_, rest, _ := strings.Cut(line, `le="`)
		end, rest, _ := strings.Cut(rest, `"`)
		_, count, _ := strings.Cut(rest, "} ")
		le, endErr := strconv.ParseFloat(end, 64) // "+Inf" too
		n, countErr := strconv.ParseFloat(strings.TrimSpace(count), 64)
		if endErr != nil || countErr != nil {
			return nil, fmt.Errorf("read the server's metrics: %q is no bucket", lines.Text())
		}
		found[le] += n
	}
	return found, lines.Err()
}

// insideBetween is what was counted from before to after; nil when nothing was.
func insideBetween(before, after buckets, method string) *Inside {
	var ends []float64
	for end := range after {
		ends = append(ends, end)
	}
	slices.Sort(ends)
	if len(ends) < 2 {
		return nil
	}
	counted := func(end float64) float64 { return after[end] - before[end] }
	total := counted(ends[len(ends)-1])
	if total <= 0 {
		return nil
	}
	quantile := func(q float64) float64 {
		low, below := 0.0, 0.0
		for i, end := range ends {
			if n := counted(end); n >= q*total {
				if i == len(ends)-1 {
					return round(low*1e6, 1) // it lies beyond the last bucket that has an end
				}
				return round((low+(end-low)*(q*total-below)/(n-below))*1e6, 1)
			}
			low, below = end, counted(end)
		}
		return round(low*1e6, 1)
	}
	return &Inside{
		Method: method, Count: int64(total),
		P50: quantile(0.50), P95: quantile(0.95), P99: quantile(0.99), P999: quantile(0.999),
	}
}

// method is the one that an operation measures.
func (op Operation) method() *method {
	switch op {
	case OpBatchCheck:
		return methodBatchCheck
	case OpList:
		return methodListObjects
	case OpStreamed:
		return methodStreamed
	case OpListUsers:
		return methodListUsers
	case OpWrite, OpWrite100, OpDelete:
		return methodWrite
	}
	return methodCheck
}
