// Package fraud looks whether a payment is one that its customer makes.
package fraud

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"muster/samples/faults"
	"muster/samples/telemetry"
)

// hang is how long a check takes under the fault "missing timeout": longer than
// anybody with a time-out waits.
const hang = 2 * time.Second

// suspicious is the amount from which on a payment is looked at twice, in cents.
const suspicious = 40_000

// Check is a payment to be checked, and with a verdict the answer.
type Check struct {
	Order   string `json:"order"`
	Cents   int    `json:"cents"`
	Verdict string `json:"verdict,omitempty"`
}

// Fraud is the service.
type Fraud struct {
	t      *telemetry.Telemetry
	faults faults.Set
}

// New is a service; it keeps nothing.
func New(t *telemetry.Telemetry, fs faults.Set) *Fraud { return &Fraud{t, fs} }

// Routes adds what other services may ask for.
func (f *Fraud) Routes(mux *http.ServeMux) { f.t.Handle(mux, "POST /checks", f.check) }

func (f *Fraud) check(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	var in Check
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil || in.Order == "" {
		return &telemetry.Refusal{Status: http.StatusBadRequest, Reason: "no check in the body"}
	}
	if f.faults.Hits(faults.MissingTimeout, in.Order) {
		if err := wait(ctx, hang); err != nil {
			return err
		}
	}
	in.Verdict = "accepted"
	if in.Cents > suspicious {
		in.Verdict = "accepted after a second look"
	}
	f.t.Log.InfoContext(ctx, "payment checked", "order", in.Order, "verdict", in.Verdict)
	return telemetry.Answer(w, http.StatusOK, in)
}

func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
