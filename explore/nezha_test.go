package explore

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"muster/fleet"
	nezhaset "muster/internal/nezha"
)

// podSuffix is what Kubernetes adds to the name of a deployment.
var podSuffix = regexp.MustCompile(`-[0-9a-f]+-[0-9a-z]{5}$`)

// nezha is a minute of a real system of 40 services, its spans and log lines as
// collectors would hand them over.
func nezha(t *testing.T, minute string) *fake {
	t.Helper()
	dir := nezhaset.Folder(t, "..")
	at := func(ns string) time.Time {
		n, err := strconv.ParseInt(ns, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		return time.Unix(0, n).UTC()
	}
	f := &fake{}
	for _, r := range nezhaset.Spans(t, dir, minute) {
		x := fleet.Record{
			ID: fleet.SpanID(r["TraceID"], r["SpanID"]), Kind: fleet.KindSpan, Time: at(r["StartTimeUnixNano"]),
			Service: podSuffix.ReplaceAllString(r["PodName"], ""), Name: r["OperationName"],
		}
		x.Duration = at(r["EndTimeUnixNano"]).Sub(x.Time)
		x.Keys = fleet.Keys{Trace: r["TraceID"], Span: r["SpanID"], TraceLink: seen}
		if r["ParentID"] != "root" {
			x.Keys.Parent = r["ParentID"]
		}
		f.records = append(f.records, x)
	}
	for i, r := range nezhaset.Logs(t, dir, minute) {
		var said struct{ Log string }
		if err := json.Unmarshal([]byte(r["Log"]), &said); err != nil {
			t.Fatal(err)
		}
		x := fleet.Record{
			ID: fmt.Sprint("log-", i), Kind: fleet.KindLog, Time: at(r["TimeUnixNano"]), Name: "INFO",
			Service: podSuffix.ReplaceAllString(r["PodName"], ""), Message: strings.TrimSpace(said.Log),
		}
		x.Keys = fleet.Keys{Trace: r["TraceID"], Span: r["SpanID"], TraceLink: seen}
		f.records = append(f.records, x)
	}
	return f
}

// TestTracesOfManyServicesAreReadable shows the map of a real fleet, and its
// trace through most services.
func TestTracesOfManyServicesAreReadable(t *testing.T) {
	f := nezha(t, "2023-01-29_08_43")
	widest := fleet.Summary{}
	for _, s := range f.summaries() {
		if len(s.Services) > len(widest.Services) {
			widest = s
		}
	}
	for _, tt := range []struct{ name, start, keys string }{
		{"nezha-map", "", "S"},
		{"nezha-around", "", "S / ts-seat enter enter"},
		{"nezha-trace", widest.Trace, ""},
		{"nezha-services", widest.Trace, "2 _"},
	} {
		for _, size := range [][2]int{{80, 24}, {200, 60}} {
			name := fmt.Sprintf("%s-%dx%d", tt.name, size[0], size[1])
			t.Run(name, func(t *testing.T) {
				s := newStage(t, f, size[0], size[1], Options{Start: tt.start})
				s.press(tt.keys)
				s.golden(name)
			})
		}
	}
}

// TestWhatASpanDidHasRoomBeforeItsService holds what the trace above showed: at 80
// cells every line began with the same long service, and said no operation.
func TestWhatASpanDidHasRoomBeforeItsService(t *testing.T) {
	s := &story{trace: "67432b5e9f3a41d7c05be0a1862f44d1", start: noon}
	const long = "ts-order-other-service"
	s.span("a", "", long, long, 0, 100*ms, "")
	s.span("b", "a", long, "OrderController.refresh", 0, 90*ms, "")
	s.span("c", "b", "station", "StationController.query", 0, 80*ms, "")
	f := plant(&fleet.Trace{Records: s.records})
	rows := outline(f, nil, nil, nil)
	for i, want := range [][2]string{
		{" ● ts-order-other-service   ", " ● ts-order-other-service   "},
		{" └─● OrderController.refresh   ", " └─● ts-order-other-service OrderController.refresh   "},
		{"   └─● station StationController.q…", "   └─● station StationController.query   "},
	} {
		for j, w := range []int{80, 140} {
			if got := waterRow(f, &rows[i], w, false).String(); !strings.HasPrefix(got, want[j]) {
				t.Errorf("in %d cells row %d is %q, want %q…", w, i, got, want[j])
			}
		}
	}
}
