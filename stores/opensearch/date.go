package opensearch

import "time"

// The years that the type date_nanos can hold whole; other times are left to time_us.
const (
	firstNanosYear = 1970
	lastNanosYear  = 2261
)

// dateNanos is a time for a field of type date_nanos, "" where that cannot hold it.
func dateNanos(t time.Time) string {
	t = t.UTC()
	if t.Year() < firstNanosYear || t.Year() > lastNanosYear {
		return ""
	}
	return t.Format(time.RFC3339Nano)
}

// date is dateNanos for the whole microseconds of records, since 1970. It is
// spelled in its place in a document, in a third of the time.
type date int64

// beyondDates is the first date that is none.
var beyondDates = date(time.Date(lastNanosYear+1, 1, 1, 0, 0, 0, 0, time.UTC).UnixMicro())

func dateOf(t time.Time) date { return date(t.UnixMicro()) }

// IsZero reports whether a date is left out of a document.
func (d date) IsZero() bool { return d < 0 || d >= beyondDates }

// append appends a date that is not left out, as a JSON string.
func (d date) append(b []byte) []byte {
	seconds, micros := int64(d)/1e6, int(int64(d)%1e6)
	t := time.Unix(seconds, 0).UTC()
	year, month, day := t.Date()
	hour, minute, second := t.Clock()
	b = append(b, `"0000-00-00T00:00:00`...)
	to := b[len(b)-len(`0000-00-00T00:00:00`):]
	twoDigits(to[0:2], year/100)
	twoDigits(to[2:4], year%100)
	twoDigits(to[5:7], int(month))
	twoDigits(to[8:10], day)
	twoDigits(to[11:13], hour)
	twoDigits(to[14:16], minute)
	twoDigits(to[17:19], second)
	if micros != 0 {
		b = append(b, ".000000"...)
		to = b[len(b)-6:]
		twoDigits(to[0:2], micros/10000)
		twoDigits(to[2:4], micros/100%100)
		twoDigits(to[4:6], micros%100)
		for b[len(b)-1] == '0' {
			b = b[:len(b)-1]
		}
	}
	return append(b, 'Z', '"')
}

func twoDigits(to []byte, n int) { to[0], to[1] = byte('0'+n/10), byte('0'+n%10) }
