package modeltest

import (
	"encoding/xml"
	"fmt"
	"strings"
	"time"
)

// The elements of a JUnit report, as CI systems read them.
type (
	junitReport struct {
		XMLName  xml.Name     `xml:"testsuites"`
		Tests    int          `xml:"tests,attr"`
		Failures int          `xml:"failures,attr"`
		Errors   int          `xml:"errors,attr"`
		Suites   []junitSuite `xml:"testsuite"`
	}
	junitSuite struct {
		Name     string      `xml:"name,attr"`
		Tests    int         `xml:"tests,attr"`
		Failures int         `xml:"failures,attr"`
		Errors   int         `xml:"errors,attr"`
		Time     string      `xml:"time,attr"`
		Cases    []junitCase `xml:"testcase"`
	}
	junitCase struct {
		Name    string       `xml:"name,attr"`
		Class   string       `xml:"classname,attr"`
		File    string       `xml:"file,attr"`
		Line    int          `xml:"line,attr,omitempty"`
		Time    string       `xml:"time,attr"`
		Failure *junitDetail `xml:"failure,omitempty"`
		Error   *junitDetail `xml:"error,omitempty"`
	}
	junitDetail struct {
		Message string `xml:"message,attr"`
		Text    string `xml:",chardata"`
	}
)

// Outcome is what came of one file: a result, or the error that kept it from being loaded.
type Outcome struct {
	File   string  `json:"file"`
	Result *Result `json:"result,omitempty"`
	// Err is set exactly when Result is not.
	Err error `json:"-"`
}

// JUnit returns a report in JUnit's XML: a file is a test suite, a test of it a test case. A file that
// cannot be loaded is one test case with an error.
func JUnit(outcomes []Outcome) ([]byte, error) {
	report := junitReport{}
	for _, o := range outcomes {
		suite := junitSuite{Name: o.File}
		if o.Err != nil {
			text := clean(o.Err.Error())
			first, _, _ := strings.Cut(text, "\n")
			suite.Tests, suite.Errors = 1, 1
			suite.Time = seconds(0)
			suite.Cases = []junitCase{{Name: "load", Class: o.File, File: o.File, Time: seconds(0), Error: &junitDetail{Message: first, Text: text}}}
		} else {
			suite.add(o.Result)
		}
		report.Tests += suite.Tests
		report.Failures += suite.Failures
		report.Errors += suite.Errors
		report.Suites = append(report.Suites, suite)
	}
	data, err := xml.MarshalIndent(report, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("write the JUnit report: %w", err)
	}
	return append([]byte(xml.Header), append(data, '\n')...), nil
}

func (s *junitSuite) add(r *Result) {
	var total time.Duration
	for _, t := range r.Tests {
		c := junitCase{Name: clean(t.Name), Class: r.File, File: r.File, Line: t.Line, Time: seconds(t.Duration)}
		s.Tests++
		total += t.Duration
		if !t.Passed {
			s.Failures++
			failed := t.Failures()
			c.Failure = &junitDetail{Message: fmt.Sprintf("%d of %d assertions failed", len(failed), len(t.Assertions))}
			for _, a := range failed {
				c.Failure.Text += clean(fmt.Sprintf("%s:%d: %s", r.File, a.Line, a))
			}
		}
		s.Cases = append(s.Cases, c)
	}
	s.Time = seconds(total)
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.6f", d.Seconds()) }

// clean replaces what XML cannot hold.
func clean(text string) string {
	return strings.Map(func(r rune) rune {
		if r < 0x20 && r != '\n' && r != '\t' || r == 0xFFFE || r == 0xFFFF {
			return '\uFFFD'
		}
		return r
	}, text)
}
