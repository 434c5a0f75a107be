package reference

import "testing"

func TestMarkdown(t *testing.T) {
	for text, want := range map[string]string{
		"May be \"user:*\" or a * b.":                       "May be `\"user:*\"` or a \\* b.",
		"Makes it.\nErrors: none.\nLimits: 100.":            "Makes it.\n\n**Errors**: none.\n\n**Limits**: 100.",
		"Errors of every method: NOT_FOUND <x>.":            "**Errors of every method**: NOT_FOUND &lt;x>.",
		"Ends here. May be retried: it changes nothing.":    "Ends here. May be retried: it changes nothing.",
		"Empty: all.\nMay be retried, from the start: yes.": "Empty: all.\n\n**May be retried, from the start**: yes.",
	} {
		if got := markdown(text); got != want {
			t.Errorf("%q became %q, want %q", text, got, want)
		}
	}
	if got, want := cell("a | b\nc"), `a \| b c`; got != want {
		t.Errorf("got cell %q, want %q", got, want)
	}
	for text, want := range map[string]string{"One. Two.": "One.", "One\ntwo.": "One two."} {
		if got := firstSentence(text); got != want {
			t.Errorf("the first sentence of %q is %q, want %q", text, got, want)
		}
	}
}
