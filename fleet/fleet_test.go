package fleet

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

func TestParseTraceIDTakesBothSpellings(t *testing.T) {
	const want = "5759e988bd862e3fe1be46a994272793"
	for _, s := range []string{
		"1-5759e988-bd862e3fe1be46a994272793", want, strings.ToUpper(want), "1-5759E988-BD862E3FE1BE46A994272793",
	} {
		if got, ok := ParseTraceID(s); !ok || got != want {
			t.Errorf("ParseTraceID(%q) = %q, %v", s, got, ok)
		}
	}
	if got := FormatTraceID(want); got != "1-5759e988-bd862e3fe1be46a994272793" {
		t.Errorf("FormatTraceID = %q", got)
	}
}

func TestParseTraceIDRefuses(t *testing.T) {
	for _, s := range []string{
		"", "1-00000000-000000000000000000000000", strings.Repeat("0", 32), "5759e988bd862e3f",
		"1-5759e988bd862e3fe1be46a994272793", "2-5759e988-bd862e3fe1be46a994272793", strings.Repeat("g", 32),
	} {
		if got, ok := ParseTraceID(s); ok {
			t.Errorf("ParseTraceID(%q) = %q, want none", s, got)
		}
	}
}

func TestParseSpanID(t *testing.T) {
	for s, want := range map[string]string{
		"53995c3f42cd8ad8": "53995c3f42cd8ad8", "53995C3F42CD8AD8": "53995c3f42cd8ad8", "0000000000000001": "0000000000000001",
		"": "", "0000000000000000": "", "53995c3f42cd8ad": "", "53995c3f42cd8ad80": "", "53995c3f42cd8adg": "", "53995c3f42cd8a\xff8": "",
	} {
		if got, ok := ParseSpanID(s); got != want || ok != (want != "") {
			t.Errorf("ParseSpanID(%q) = %q, %v, want %q", s, got, ok, want)
		}
	}
}

func FuzzParseTraceID(f *testing.F) {
	f.Add("1-5759e988-bd862e3fe1be46a994272793")
	f.Fuzz(func(t *testing.T, s string) {
		id, ok := ParseTraceID(s)
		if !ok {
			return
		}
		if again, ok := ParseTraceID(FormatTraceID(id)); !ok || again != id {
			t.Errorf("%q: %q spelled and parsed again is %q", s, id, again)
		}
	})
}

func TestPrintable(t *testing.T) {
	for in, want := range map[string]string{
		"plain":           "plain",
		"two\nlines\tand": "two lines and",
		"\x1b[31mred":     `\x1b[31mred`,
		"a\u202eb":        `a\u202eb`,
		"bad\xffutf":      `bad\xffutf`,
		"grüße 世界":        "grüße 世界",
		"\u00a0":          `\u00a0`,
	} {
		if got := Printable(in); got != want {
			t.Errorf("Printable(%q) = %q, want %q", in, got, want)
		}
	}
}

func FuzzPrintable(f *testing.F) {
	f.Add("\x1b]0;title\x07")
	f.Fuzz(func(t *testing.T, s string) {
		p := Printable(s)
		if !utf8.ValidString(p) {
			t.Fatalf("%q: not UTF-8", p)
		}
		for _, r := range p {
			if r != ' ' && (!unicode.IsPrint(r) || unicode.IsSpace(r)) {
				t.Fatalf("%q holds %U", p, r)
			}
		}
	})
}

func TestRawRoundTrips(t *testing.T) {
	for _, raw := range []string{"", "{}", "\xff\xfe", "base64:AAAA", "base64:not base64!"} {
		if got := string(DecodeRaw(EncodeRaw([]byte(raw)))); got != raw {
			t.Errorf("%q came back as %q", raw, got)
		}
	}
}

func TestRecordJSONHasColumnNames(t *testing.T) {
	r := Record{
		ID: "e1", Kind: KindAPICall, Time: time.Date(2026, 11, 24, 1, 2, 3, 4000, time.UTC),
		Seen: Keys{Request: "r1"}, Keys: Keys{Request: "r1", Trace: "t1", TraceLink: Link{RungRequest, Exact}},
		Attributes: AttributesOf(AttrReadOnly, "true", AttrHTTPStatus, "402", "extra", "x"),
		Raw:        []byte("\xff"),
	}
	text, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"id": "e1", "kind": "api_call", "time": "2026-11-24T01:02:03.000004Z", "time_us": 1795482123000004.0,
		"trace_id": "t1", "trace_via": "request", "trace_sure": "exact", "seen_request_id": "r1", "seen_trace_id": "",
		"read_only": true, "http_status": 402.0, "attributes": map[string]any{"extra": "x"},
		"resources": []any{}, "raw": "base64:/w==",
	}
	for k, v := range want {
		if diff := cmp.Diff(v, got[k]); diff != "" {
			t.Errorf("%s: %s", k, diff)
		}
	}
}

func TestWriteIsAManagementCallThatWentWell(t *testing.T) {
	call := func(kind Kind, err string, attr Attributes) *Record {
		return &Record{Kind: kind, Error: err, Attributes: attr}
	}
	for _, tc := range []struct {
		name string
		r    *Record
		want bool
	}{
		{"management", call(KindAPICall, "", AttributesOf(AttrEventCategory, "Management")), true},
		{"read", call(KindAPICall, "", AttributesOf(AttrReadOnly, "true")), false},
		{"data", call(KindAPICall, "", AttributesOf(AttrEventCategory, "Data")), false},
		{"refused", call(KindAPICall, "AccessDenied", nil), false},
		{"span", call(KindSpan, "", nil), false},
	} {
		if got := tc.r.Write(); got != tc.want {
			t.Errorf("%s: %v", tc.name, got)
		}
	}
}

func TestWindowContainsItsStartOnly(t *testing.T) {
	a, b := time.Unix(100, 0), time.Unix(200, 0)
	w := Window{a, b}
	if !w.Contains(a) || w.Contains(b) || !(Window{}).Contains(a) {
		t.Error("a window holds its start and not its end; the zero window holds everything")
	}
}

func TestSeverityRankOrders(t *testing.T) {
	if Critical.Rank() <= High.Rank() || Info.Rank() != 1 || Severity("x").Rank() != 0 {
		t.Error("severities are out of order")
	}
}

func TestNewTraceGoesByItsKind(t *testing.T) {
	records := []Record{{ID: "a"}, {ID: "b", Keys: Keys{Trace: "t1", Correlation: "c1"}}, {ID: "c", Keys: Keys{Trace: "t2"}}}
	for _, tc := range []struct {
		name, id          string
		q                 Query
		trace, journeyWas string
	}{
		{"a trace", "t1", Query{Trace: "t1"}, "t1", "c1"},
		{"a journey", "", Query{Correlation: "c9"}, "t1", "c9"},
		{"a resource", "", Query{Resource: "AWS::S3::Bucket/b"}, "", ""},
	} {
		got := NewTrace(tc.id, tc.q, records)
		if got.ID != tc.trace || got.Correlation != tc.journeyWas || len(got.Records) != len(records) {
			t.Errorf("%s: trace %q of journey %q", tc.name, got.ID, got.Correlation)
		}
	}
}
