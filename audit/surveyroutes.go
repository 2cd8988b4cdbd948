package audit

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"muster/fleet"
)

// asked takes a request of a service.
func (s *survey) asked(v *record) {
	name := routeName(v.Name)
	t := kept(s.routes, [2]string{v.Service, name}, func() *route { return &route{Service: v.Service, Name: name} })
	if t == nil {
		return
	}
	h := t.hour(v.Time)
	t.Requests++
	h.Requests++
	h.durations.add(v.Seconds)
	s.slow(h, v)
	if v.Error == "fault" {
		t.Faults++
		h.Faults++
		s.latest(&h.FaultIDs, v.src)
	}
	if n, err := strconv.ParseInt(v.json("http.response.content_length"), 10, 64); err == nil && n >= 0 {
		t.Sized++
		t.sizes.add(float64(n) / megabyte)
		if t.LargeID == "" || n > t.Largest {
			t.Largest, t.LargeID = n, v.ID
			s.keep(v.src)
		}
	}
	s.payload(v.Service, name, v.src)
}

// megabyte is the unit of a histogram of sizes: its steps go from 100 bytes to 3 GB.
const megabyte = 1e6

// routeName is the name of an operation without what names one thing: a part of
// a path that is a number, or that is long and has digits in it.
func routeName(name string) string {
	name, _, _ = strings.Cut(name, "?")
	parts := strings.Split(name, "/")
	for i, p := range parts[1:] {
		digits := strings.ContainsAny(p, "0123456789")
		if number := strings.Trim(p, "0123456789") == "" && p != ""; number || digits && len(p) > 5 {
			p = "{id}"
		}
		parts[i+1] = p
	}
	return strings.Join(parts, "/")
}

func (t *route) hour(at time.Time) *routeHour {
	start := at.Truncate(time.Hour)
	i, found := slices.BinarySearchFunc(t.Hours, start, func(h *routeHour, at time.Time) int { return h.Start.Compare(at) })
	if !found {
		t.Hours = slices.Insert(t.Hours, i, &routeHour{Service: t.Service, Name: t.Name, Start: start})
	}
	return t.Hours[i]
}

// slow keeps the slowest requests of an hour, the slowest first.
func (s *survey) slow(h *routeHour, v *record) {
	i, _ := slices.BinarySearchFunc(h.slowest, v.Seconds, func(r slowRequest, seconds float64) int { return cmp.Compare(seconds, r.seconds) })
	if i >= maxSamples {
		return
	}
	h.slowest = slices.Insert(h.slowest, i, slowRequest{v.Seconds, v.ID})
	h.slowest = h.slowest[:min(len(h.slowest), maxSamples)]
	s.keep(v.src)
}

// formats are the attributes in which a record shows of what format a payload
// is: what services log, an annotation of X-Ray, and OpenTelemetry's headers.
var formats = []string{
	"content_type", "annotation.content_type", "http.request.header.content-type", "http.request.header.content_type",
}

// payload notes of what format a payload is.
func (s *survey) payload(service, name string, r *fleet.Record) {
	if service == "" || name == "" {
		return
	}
	for _, attribute := range formats {
		format, _, _ := strings.Cut(r.Attributes.Get(attribute), ";") // what follows is its character set
		format = strings.ToLower(strings.Trim(format, " []\""))
		if format == "" {
			continue
		}
		c := kept(s.channels, [2]string{service, name}, func() *channel {
			return &channel{Service: service, Name: name, seen: map[string]*formatSeen{}}
		})
		if c == nil {
			return
		}
		if seen := kept(c.seen, format, func() *formatSeen { return &formatSeen{} }); seen != nil {
			seen.count++
			s.first(&seen.ids, r)
		}
		return
	}
}

func (s *survey) sortedRoutes() []*route {
	all := slices.SortedFunc(maps.Values(s.routes), func(a, b *route) int {
		return cmp.Or(cmp.Compare(a.Service, b.Service), cmp.Compare(a.Name, b.Name))
	})
	for _, t := range all {
		t.Typical = t.sizes.quantile(0.5) * megabyte
		for _, h := range t.Hours {
			h.P95 = h.durations.quantile(0.95)
			for _, r := range h.slowest {
				h.SlowestIDs = append(h.SlowestIDs, r.id)
			}
		}
	}
	return all
}

func (s *survey) sortedChannels() []*channel {
	all := slices.SortedFunc(maps.Values(s.channels), func(a, b *channel) int {
		return cmp.Or(cmp.Compare(a.Service, b.Service), cmp.Compare(a.Name, b.Name))
	})
	for _, c := range all {
		c.Formats = slices.SortedFunc(maps.Keys(c.seen), func(a, b string) int {
			return cmp.Or(cmp.Compare(c.seen[b].count, c.seen[a].count), cmp.Compare(a, b))
		})
		c.Common = c.seen[c.Formats[0]].count
		for _, format := range c.Formats[1:] {
			c.Odd += c.seen[format].count
			c.OddIDs = append(c.OddIDs, c.seen[format].ids...)
		}
	}
	return all
}
