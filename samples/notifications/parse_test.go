package notifications

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"muster/samples/orders"
)

func TestParseReadsWhatSNSWraps(t *testing.T) {
	event := orders.Event{Type: orders.EventPlaced, Order: "o-1", Customer: "c-1", Cents: 5}
	const inner = `"Message":"{\"type\":\"order_placed\",\"order\":\"o-1\",\"customer\":\"c-1\",\"cents\":5}"`
	for _, c := range []struct {
		name, body string
		want       message
	}{
		{
			"with a correlation id",
			`{"Type":"Notification","MessageId":"m-1",` + inner + `,"MessageAttributes":{"correlation_id":{"Type":"String","Value":"j-1"}}}`,
			message{id: "m-1", correlation: "j-1", event: event},
		},
		{"without", `{"Type":"Notification","MessageId":"m-1",` + inner + `}`, message{id: "m-1", event: event}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := parse(c.body)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, got, cmp.AllowUnexported(message{})); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	for name, body := range map[string]string{
		"no JSON": `{`, "no message id": `{"Message":"{}"}`, "no event": `{"MessageId":"m-1","Message":"hello"}`,
	} {
		t.Run(name, func(t *testing.T) {
			if m, err := parse(body); err == nil {
				t.Errorf("read %+v, want an error", m)
			}
		})
	}
}
