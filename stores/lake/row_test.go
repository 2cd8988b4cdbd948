package lake

import (
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"muster/fleet"
)

// FuzzRowKeepsRecord holds that a record comes back from its row: text as it
// was if an engine can read it, and raw evidence in any case.
func FuzzRowKeepsRecord(f *testing.F) {
	f.Add("id", "a message", fleet.AttrHTTPStatus, "200", []byte(`{"a":1}`), int64(1_773_489_600_000_000))
	f.Add("", "", fleet.AttrReadOnly, "true", []byte(nil), int64(0))
	f.Add("x", "\x00", fleet.AttrHTTPStatus, "+0", []byte("base64:"), int64(-1))
	f.Add("x", "y", fleet.AttrUserAgent, "", []byte{0xff}, int64(-62_135_596_800_000_000))
	f.Add("x", "y", "own", "http_status", []byte("base64:AA=="), int64(1))
	f.Fuzz(func(t *testing.T, id, message, key, value string, raw []byte, us int64) {
		want := fleet.Record{
			ID: id, Kind: fleet.KindLog, Time: time.UnixMicro(us).UTC(), Message: message,
			Attributes: fleet.AttributesOf(key, value), Raw: raw,
		}
		w := newRow(&want)
		for _, s := range []string{w.ID, w.Message, w.Raw} {
			if !utf8.ValidString(s) {
				t.Errorf("%q is not UTF-8", s)
			}
		}
		got := w.record()
		if string(got.Raw) != string(raw) || !got.Time.Equal(want.Time) {
			t.Errorf("got raw %q of %s, want %q of %s", got.Raw, got.Time, raw, want.Time)
		}
		for _, s := range []string{id, message, key, value} {
			if !utf8.ValidString(s) {
				return
			}
		}
		got.Raw, want.Raw = nil, nil
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}
