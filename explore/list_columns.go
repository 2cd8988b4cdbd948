package explore

import (
	"slices"
	"strings"
	"time"

	"muster/fleet"
)

// listColumn is one column of the trace list.
type listColumn struct {
	name  string // as it is chosen; "" for one that is always there
	title string
	width int
	right bool
	cell  func(*fleet.Summary) (role, string)
}

// Columns that a wide terminal has room for beside the others.
const (
	wideList     = 110 // from here on the services of a trace
	wider        = 150 // and the whole trace id
	traceIDWidth = 35  // "1-8-24"
)

// listColumns are the columns for a list of w cells, with the time spelled by
// when in whenWidth cells: those that are chosen, in their order, or those that
// there is room for. What is left after those of fixed width is the operation's.
func listColumns(w, whenWidth int, when func(time.Time) string, chosen []string) []listColumn {
	all := everyColumn(w, whenWidth, when)
	var cols []listColumn
	if len(chosen) == 0 {
		cols = slices.DeleteFunc(all, func(c listColumn) bool {
			return c.name == "services" && w < wideList || c.name == "trace" && w < wider
		})
	}
	for _, name := range chosen {
		for _, c := range all {
			if c.name == name {
				cols = append(cols, c)
			}
		}
	}
	if len(chosen) > 0 {
		cols = slices.Insert(cols, 0, all[slices.IndexFunc(all, func(c listColumn) bool { return c.name == "" })])
	}
	left := w - 1 // the mark
	for _, c := range cols {
		left -= c.width + 1
	}
	for i := range cols {
		if cols[i].width == 0 {
			cols[i].width = max(left, 1)
		}
	}
	return cols
}

func everyColumn(w, whenWidth int, when func(time.Time) string) []listColumn {
	serviceWidth, journey := 9, 8 // orders, payments; longer ones are cut until there is room
	if w >= wideList {
		serviceWidth = 16
	}
	if w >= wider {
		journey = 14
	}
	return []listColumn{
		{"time", "TIME UTC", whenWidth, false, func(s *fleet.Summary) (role, string) { return faint, when(s.Start) }},
		{"took", "TOOK", 7, true, func(s *fleet.Summary) (role, string) { return plain, took(s.Duration) }},
		{"", "", 1, false, func(s *fleet.Summary) (role, string) { return bad, failed(s.Errors > 0 || s.Error != "") }},
		{"service", "SERVICE", serviceWidth, false, func(s *fleet.Summary) (role, string) { return service, s.Service }},
		{"operation", "OPERATION", 0, false, operation},
		{"spans", "●SPN", 4, true, func(s *fleet.Summary) (role, string) { return count(s.Spans, plain) }},
		{"logs", "≡LOG", 4, true, func(s *fleet.Summary) (role, string) { return count(s.Logs, plain) }},
		{"calls", "→API", 4, true, func(s *fleet.Summary) (role, string) { return count(s.APICalls, plain) }},
		{"changes", "ΔCHG", 4, true, func(s *fleet.Summary) (role, string) { return count(s.Changes, caution) }},
		{"services", "SERVICES", 26, false, func(s *fleet.Summary) (role, string) { return faint, strings.Join(s.Services, " ") }},
		{"trace", "TRACE", traceIDWidth, false, func(s *fleet.Summary) (role, string) { return faint, fleet.FormatTraceID(s.Trace) }},
		{"journey", "JOURNEY", journey, false, func(s *fleet.Summary) (role, string) { return faint, squeeze(clean(s.Correlation), journey) }},
	}
}

// columnNames are what can be chosen.
func columnNames() []string {
	var out []string
	for _, c := range everyColumn(0, 0, nil) {
		if c.name != "" {
			out = append(out, c.name)
		}
	}
	return out
}
