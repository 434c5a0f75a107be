package idtoken

import "math"

// claims are those of a token, by their exact names. Numbers are float64.
type claims map[string]any

// The bounds of what is read.
const (
	maxSubjectBytes = 255 // OpenID Connect Core, section 2
	maxTextBytes    = 1 << 10
	maxTexts        = 32
	maxSeconds      = 1 << 32 // in 2106
)

// reader reads claims, and keeps the first fault. A claim that is not there is empty or zero.
type reader struct {
	claims
	err error
}

func (r *reader) fail(name, what string) {
	if r.err == nil {
		r.err = refuse("the claim %s is %s", name, what)
	}
}

func (r *reader) text(name string) string {
	v, there := r.claims[name]
	if !there || v == nil {
		return ""
	}
	text, ok := v.(string)
	if !ok || len(text) > maxTextBytes {
		r.fail(name, "no text, or a long one")
		return ""
	}
	return text
}

func (r *reader) texts(name string) []string {
	v, there := r.claims[name]
	if !there || v == nil {
		return nil
	}
	list, ok := v.([]any)
	if !ok || len(list) > maxTexts {
		r.fail(name, "no list of texts, or a long one")
		return nil
	}
	texts := make([]string, len(list))
	for i, v := range list {
		if texts[i], ok = v.(string); !ok || len(texts[i]) > maxTextBytes {
			r.fail(name, "no list of texts, or one of long ones")
			return nil
		}
	}
	return texts
}

// audience returns aud: a text by itself or a list.
func (r *reader) audience() []string {
	if text, ok := r.claims["aud"].(string); ok {
		return []string{text}
	}
	return r.texts("aud")
}

// nanos returns a time that is given in seconds since 1970 UTC. Fractions of a second are dropped, so that nobody
// seems to have authenticated later.
func (r *reader) nanos(name string) int64 {
	v, there := r.claims[name]
	if !there || v == nil {
		return 0
	}
	seconds, ok := v.(float64)
	if !ok || math.IsNaN(seconds) || seconds < 1 || seconds > maxSeconds {
		r.fail(name, "no time in seconds since 1970")
		return 0
	}
	return int64(seconds) * 1e9
}

// whole is nanos of a time that must be whole seconds.
func (r *reader) whole(name string) int64 {
	nanos := r.nanos(name)
	if seconds, ok := r.claims[name].(float64); ok && nanos != 0 && seconds != math.Trunc(seconds) {
		r.fail(name, "no whole number of seconds")
	}
	return nanos
}
