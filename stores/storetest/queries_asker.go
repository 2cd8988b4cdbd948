package storetest

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"muster/fleet"
	"muster/internal/filter"
)

// asker makes up one question.
type asker struct {
	r *rand.Rand
	w *fleetOfTests
}

func newAsker(i int, w *fleetOfTests) *asker {
	return &asker{rand.New(rand.NewPCG(uint64(i), 4711)), w}
}

func (a *asker) chance(percent int) bool { return a.r.IntN(100) < percent }

// query is a query, and its filter as text.
func (a *asker) query() (fleet.Query, string) {
	var q fleet.Query
	text := ""
	if !a.chance(15) {
		text = a.expression(2)
		f, err := filter.Parse(text)
		if err != nil {
			panic(fmt.Sprintf("the test's own filter %s: %v", text, err))
		}
		q.Filter = f
	}
	if a.chance(40) {
		q.Window.Start = noon.Add(time.Duration(a.r.Int64N(int64(fleetSpan)))).Truncate(time.Microsecond)
	}
	if a.chance(30) {
		q.Window.End = q.Window.Start.Add(time.Duration(a.r.Int64N(int64(fleetSpan)))).Truncate(time.Microsecond)
		if q.Window.Start.IsZero() {
			q.Window.End = noon.Add(time.Duration(a.r.Int64N(int64(fleetSpan)))).Truncate(time.Microsecond)
		}
	}
	if a.chance(20) {
		q.Kinds = []fleet.Kind{pick(a.r, fleet.Kinds())}
	}
	a.narrow(&q)
	if a.chance(40) {
		q.Limit = 1 + a.r.IntN(60)
	}
	return q, text
}

// narrow asks one more thing of a record, now and then.
func (a *asker) narrow(q *fleet.Query) {
	some := pick(a.r, a.w.records)
	switch a.r.IntN(30) {
	case 0, 1, 2:
		q.Service = pick(a.r, fleetServices)
	case 3, 4:
		q.Errors = true
	case 5:
		q.Text = pick(a.r, []string{"boom", "USER AL", "%", "event-1", "' or"})
	case 6:
		q.Trace = some.Keys.Trace
	case 7:
		q.Correlation = some.Keys.Correlation
	case 8:
		q.Request = some.Keys.Request
	case 9:
		q.Principal = pick(a.r, []string{"muster-orders", "nobody", some.Principal})
	case 10:
		if len(some.Resources) > 0 {
			q.Resource = some.Resources[len(some.Resources)-1]
		}
	case 11:
		q.IDs = []string{some.ID, pick(a.r, a.w.records).ID}
	}
}

// id is an id that something has, or nothing.
func (a *asker) id() string {
	some := pick(a.r, a.w.records)
	all := []string{some.ID, some.Keys.Trace, fleet.FormatTraceID(some.Keys.Trace), some.Keys.Request, some.Keys.Correlation, some.Keys.Span}
	all = append(all, some.Resources...)
	if id := pick(a.r, all); id != "" {
		return id
	}
	return pick(a.r, []string{some.ID, "' or true --", "nobody"})
}

func quoted(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(s) + `"`
}

// expression is a filter of a whole trace.
func (a *asker) expression(depth int) string {
	if depth > 0 {
		switch a.r.IntN(10) {
		case 0, 1, 2:
			return "(" + a.expression(depth-1) + pick(a.r, []string{" AND ", " "}) + a.expression(depth-1) + ")"
		case 3, 4:
			return "(" + a.expression(depth-1) + " OR " + a.expression(depth-1) + ")"
		case 5:
			return pick(a.r, []string{"NOT ", "!"}) + a.expression(depth-1)
		}
	}
	switch a.r.IntN(7) {
	case 0, 1:
		return "service(" + pick(a.r, []string{"", a.node()}) + ")" + a.braces()
	case 2:
		return "edge(" + a.node() + ", " + a.node() + ")" + a.braces()
	}
	return a.test(false)
}

func (a *asker) node() string {
	name := quoted(pick(a.r, append(append([]string{}, fleetServices...), fleetAWS...)))
	switch a.r.IntN(8) {
	case 0:
		return "id(type: " + quoted(fleetOrigins[0]) + ")"
	case 1:
		return "id(name: " + name + ", account.id: " + quoted("11112222333"+strconv.Itoa(a.r.IntN(2))) + ")"
	}
	return name
}

// braces are the filter of a node's spans, or none.
func (a *asker) braces() string {
	switch a.r.IntN(4) {
	case 0:
		return ""
	case 1:
		return " { " + a.test(true) + pick(a.r, []string{" AND ", " OR ", " AND NOT "}) + a.test(true) + " }"
	}
	return " { " + a.test(true) + " }"
}

// test is one comparison.
func (a *asker) test(inside bool) string {
	switch a.r.IntN(4) {
	case 0:
		flags := []string{"ok", "error", "fault", "throttle", "partial", "inferred", "!ok", "fault = false", "error != true"}
		if inside {
			flags = append(flags, "root", "!root")
		}
		return pick(a.r, flags)
	case 1:
		op := pick(a.r, []string{"=", "!=", "<", "<=", ">", ">="})
		return pick(a.r, []string{
			"responsetime " + op + " " + strconv.FormatFloat(a.r.Float64()*3, 'f', 2, 64),
			"duration " + op + " " + strconv.FormatFloat(a.r.Float64()*4, 'f', 7, 64),
			"http.status " + op + " " + pick(a.r, []string{"200", "404", "429", "499.5", "0", "-1"}), "http.status", "responsetime",
		})
	case 2:
		return a.annotation()
	}
	return a.text()
}

func (a *asker) annotation() string {
	tier := pick(a.r, fleetTiers)
	return pick(a.r, []string{
		"annotation.tier", "annotation.nothing", `annotation["the items"] ` + pick(a.r, []string{"<", ">=", "!="}) + " " + strconv.Itoa(a.r.IntN(20)),
		"annotation.tier = " + quoted(tier), "annotation[tier] != " + quoted(tier), "annotation.tier >= 9.5", "annotation.tier = 100", "annotation.tier < 10",
		"annotation.tier = true", "annotation.tier CONTAINS " + quoted(part(a.r, tier)), "annotation.tier ENDSWITH " + quoted(part(a.r, tier)),
	})
}

// part is a piece of a text.
func part(r *rand.Rand, s string) string {
	runes := []rune(s)
	from := r.IntN(len(runes) + 1)
	return string(runes[from : from+r.IntN(len(runes)-from+1)])
}

func (a *asker) text() string {
	s := pick(a.r, a.w.records)
	field := pick(a.r, []struct{ keyword, value string }{
		{"http.url", s.Attributes.Get(fleet.AttrHTTPURL)},
		{"http.method", "POST"},
		{"http.useragent", "agent/1"},
		{"http.clientip", "198.51.100.2"},
		{"user", pick(a.r, fleetUsers)},
		{"name", pick(a.r, fleetServices)},
		{"type", fleetOrigins[1]},
		{"message", "boom: " + pick(a.r, fleetUsers)},
		{"account.id", "111122223331"},
		{"operation", s.Name},
		{"resource.arn", "arn:aws:SQS:us-east-1:111122223333:thing/orders"},
	})
	switch a.r.IntN(6) {
	case 0:
		return field.keyword
	case 1:
		return field.keyword + " = " + quoted(field.value)
	case 2:
		return field.keyword + " != " + quoted(field.value)
	case 3:
		return field.keyword + " BEGINSWITH " + quoted(part(a.r, field.value))
	case 4:
		return field.keyword + " ENDSWITH " + quoted(part(a.r, field.value))
	}
	return field.keyword + " CONTAINS " + quoted(part(a.r, field.value))
}
