package week

import (
	"fmt"
	"strconv"

	"muster/samples/truth"
)

// log writes a line that shows its trace, as the service's logger does. Fields
// are names and values, which are strings, numbers or lists of strings.
func (f *flow) log(level, msg string, fields ...any) { f.line(level, msg, f.trace != "", fields) }

// unlinked writes a line that says nothing of its trace.
func (f *flow) unlinked(level, msg string, fields ...any) { f.line(level, msg, false, fields) }

func (f *flow) line(level, msg string, shows bool, fields []any) {
	t, w := f.t, f.w
	t.lines++
	f.at += 2 + w.random.upTo(6)
	id := t.service + "-" + t.run + "-" + strconv.Itoa(t.lines)
	var room [1024]byte
	b := append(room[:0], `{"time":"`...)
	b = clock(f.at).AppendFormat(b, "2006-01-02T15:04:05.000000")
	b = append(append(b, `Z","level":"`...), level...)
	b = appendString(append(b, `","msg":`...), msg)
	b = append(append(append(b, `,"service":"`...), t.service...), '"')
	for i := 0; i < len(fields); i += 2 {
		b = append(append(append(b, `,"`...), fields[i].(string)...), `":`...)
		b = appendValue(b, fields[i+1])
	}
	b = append(append(append(b, `,"line":"`...), id...), '"')
	if shows {
		b = append(append(append(b, `,"trace_id":"`...), f.shown()...), `","span_id":"`...)
		b = append(append(b, f.cur.id...), '"')
		if f.journey != "" {
			b = appendString(append(b, `,"correlation_id":`...), f.journey)
		}
	}
	w.write(t, f.at, string(append(b, '}')))
	w.truth.line(truth.Line{ID: id, Service: t.service, Trace: f.trace, Unlinked: !shows})
}

// shown is the trace as the instrumentation spells it in lines.
func (f *flow) shown() string {
	if f.t.otel {
		return f.trace
	}
	return "1-" + f.trace[:8] + "-" + f.trace[8:]
}

func appendValue(b []byte, v any) []byte {
	switch v := v.(type) {
	case string:
		return appendString(b, v)
	case int:
		return strconv.AppendInt(b, int64(v), 10)
	case []string:
		b = append(b, '[')
		for i, s := range v {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendString(b, s)
		}
		return append(b, ']')
	}
	panic("week: a field that is neither text nor number")
}

// text writes a line that is no JSON, as Lambda and proxies do. No two lines of
// a week may be the same.
func (f *flow) text(line string, shows bool) {
	f.w.write(f.t, f.at, line)
	f.w.truth.line(truth.Line{ID: truth.TextLine(line), Service: f.t.service, Trace: f.trace, Unlinked: !shows})
}

// proxied writes the line of the proxy before shipping: Envoy's default format
// with X-Ray's header at its end.
func (f *flow) proxied(method, path, parent, client string, began int64, a answer) {
	header, shows := "-", parent != ""
	if shows {
		header = "Root=1-" + f.trace[:8] + "-" + f.trace[8:] + ";Parent=" + parent + ";Sampled=1"
	}
	ms := (f.at - began) / 1000
	line := fmt.Sprintf("[%s] \"%s %s HTTP/1.1\" %d - %d %d %d %d \"%s\" \"Go-http-client/1.1\" \"%s\" \"%s\" \"%s:8080\" \"%s\"",
		clock(began).Format("2006-01-02T15:04:05.000Z"), method, path, a.status, 80, a.length, ms, ms, client,
		f.w.random.uuid(), f.t.service, f.t.address, header)
	f.w.write(f.t, f.at, line)
	l := truth.Line{ID: truth.TextLine(line), Service: f.t.service}
	if shows {
		l.Trace = f.trace
	}
	f.w.truth.line(l)
}

// write puts an event into the task's log group.
func (w *Week) write(t *task, at int64, message string) {
	b := w.logs
	b = append(b, `{"eventId":"`...)
	b = w.random.eventID(b)
	b = append(append(b, `","logGroupName":"`...), t.group...)
	b = append(append(b, `","logStreamName":"`...), t.service...)
	b = append(append(append(b, '/'), t.run...), `","timestamp":`...)
	b = strconv.AppendInt(b, at/1000, 10)
	b = appendString(append(b, `,"message":`...), message)
	b = append(b, "}\n"...)
	w.logs = b
	w.truth.records++
}
