package main

import (
	"net/netip"
	"slices"
	"strconv"
	"time"
)

// evaluations say whether a condition holds for values, and whether that can be known: a parameter that
// is missing or of a wrong type makes it unknown, which is all that explain needs.
var evaluations = map[string]func(v values) (holds, known bool){
	"small": func(v values) (bool, bool) { x, ok := v.number("x"); return x < 10, ok },
	"open":  func(v values) (bool, bool) { b, ok := v["ok"].(bool); return b, ok },
	"among": func(v values) (bool, bool) {
		text, ok := v["v"].(string)
		allowed, ok2 := v["allowed"].([]any)
		return slices.Contains(allowed, any(text)), ok && ok2
	},
	"before": func(v values) (bool, bool) {
		now, ok := v.time("now")
		until, ok2 := v.time("until")
		return now.Before(until), ok && ok2
	},
	"fresh": func(v values) (bool, bool) {
		text, ok := v["age"].(string)
		age, err := time.ParseDuration(text)
		return age <= time.Hour, ok && err == nil
	},
	"inside": func(v values) (bool, bool) {
		ip, ok := v["ip"].(string)
		cidr, ok2 := v["cidr"].(string)
		address, err := netip.ParseAddr(ip)
		prefix, err2 := netip.ParsePrefix(cidr)
		return err == nil && err2 == nil && prefix.Contains(address), ok && ok2 && err == nil && err2 == nil
	},
	"either": func(v values) (bool, bool) {
		x, ok := v.number("x")
		name, ok2 := v["name"].(string)
		return x < 10 || name == "a", ok && ok2 && x >= 0
	},
	"both": func(v values) (bool, bool) {
		big, ok := v.number("big")
		b, ok2 := v["ok"].(bool)
		return big > 1.5 && b, ok && ok2
	},
	"free": func(v values) (bool, bool) {
		text, isText := v["what"].(string)
		number, isNumber := v["what"].(float64)
		_, given := v["what"]
		return isText && text == "a" || isNumber && number == 3, given
	},
}

// values are those of a condition's parameters, as JSON carries them.
type values map[string]any

func (v values) number(name string) (float64, bool) {
	switch x := v[name].(type) {
	case float64:
		return x, true
	case string:
		n, err := strconv.ParseFloat(x, 64)
		return n, err == nil
	}
	return 0, false
}

func (v values) time(name string) (time.Time, bool) {
	text, ok := v[name].(string)
	t, err := time.Parse(time.RFC3339, text)
	return t, ok && err == nil
}

// eval reports whether the condition holds for the values, and whether that is known.
func (c condition) eval(v values) (holds, known bool) {
	evaluate, ok := evaluations[c.name]
	if !ok {
		return false, false
	}
	return evaluate(v)
}
