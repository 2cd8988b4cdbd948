package samples

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"muster/samples/faults"
	"muster/samples/telemetry"
	"muster/samples/truth"
)

const (
	// journeyEvery makes about four requests a second: enough to see every shape
	// in ten seconds, few enough for a small machine to stay quick.
	journeyEvery = 500 * time.Millisecond
	// maxJourneys run at once at the most; a fleet that has stalled gets no more.
	maxJourneys = 16
	// answerWithin is how long a client waits.
	answerWithin = 10 * time.Second
)

// Counts are what clients have done.
type Counts struct {
	Journeys, Requests int
	// Refused are answers of 402 and 422, of orders that were taken back; Failed are all others of 400 and above, and
	// requests without an answer.
	Refused, Failed int
}

type counts struct {
	mu sync.Mutex
	n  Counts
}

func (c *counts) add(change func(*Counts)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	change(&c.n)
}

// Counts are what clients have done since Start.
func (f *Fleet) Counts() Counts {
	f.counts.mu.Lock()
	defer f.counts.mu.Unlock()
	return f.counts.n
}

// Load drives the fleet for d: journeys at a steady rate, and the incidents
// among them. It returns when the last journey has ended. A second Load goes
// on where the first stopped. The error joins what went wrong with journeys
// and incidents; a refused payment is not wrong.
func (f *Fleet) Load(ctx context.Context, d time.Duration) error {
	end := time.NewTimer(d)
	defer end.Stop()
	every := time.NewTicker(journeyEvery)
	defer every.Stop()
	stop, cancel := context.WithCancel(ctx)
	defer cancel()

	var incidents errgroup.Group
	incidents.Go(func() error { return f.strike(stop) })
	var noise errgroup.Group
	noise.Go(func() error { return f.hum(stop) })
	var journeys errgroup.Group
	journeys.SetLimit(maxJourneys)
	var trouble failures
	for {
		if err := f.release(ctx, f.plan.next); err != nil {
			trouble.add(err)
		}
		j := f.plan.step()
		journeys.Go(func() error {
			if err := f.travel(ctx, j); err != nil && ctx.Err() == nil { // an interrupted journey did not fail
				trouble.add(err)
			}
			return nil
		})
		select {
		case <-every.C:
			continue
		case <-end.C:
		case <-ctx.Done():
		}
		break
	}
	_ = journeys.Wait() // trouble has their errors, all of them
	trouble.add(f.rollBack(context.WithoutCancel(ctx)))
	cancel()
	struck := incidents.Wait()
	return errors.Join(ctx.Err(), trouble.err(), noise.Wait(), struck, f.remedy(context.WithoutCancel(ctx)))
}

// travel is one client's journey.
func (f *Fleet) travel(ctx context.Context, j journey) error {
	f.counts.add(func(c *Counts) { c.Journeys++ })
	if !j.readOnly {
		if _, err := f.ask(ctx, j, Gateway, http.MethodPost, j.api.Path()+"/orders", j.order); err != nil {
			return err
		}
		think := time.NewTimer(j.think)
		defer think.Stop()
		select {
		case <-think.C:
		case <-ctx.Done():
			return nil
		}
	}
	if j.direct {
		trace, err := f.ask(ctx, j, Orders, http.MethodGet, "/orders/"+j.order.ID, nil)
		f.faulty(truth.Label{
			Name: string(faults.GatewayBypass), Subject: j.order.ID,
			Services: []string{Orders}, Journeys: []string{j.correlation}, Traces: []string{trace},
		})
		return err
	}
	_, err := f.ask(ctx, j, Gateway, http.MethodGet, j.api.Path()+"/orders/"+j.order.ID, nil)
	return err
}

// ask sends one request, and returns the trace that the answer names.
func (f *Fleet) ask(ctx context.Context, j journey, service, method, path string, body any) (trace string, err error) {
	f.counts.add(func(c *Counts) { c.Requests++ })
	defer func() {
		if err != nil {
			f.counts.add(func(c *Counts) { c.Failed++ })
			err = fmt.Errorf("%s %s: %w", method, path, err)
		}
	}()
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	var buf bytes.Buffer
	if body != nil {
		if err := json.NewEncoder(&buf).Encode(body); err != nil {
			return "", err
		}
	}
	req, err := http.NewRequestWithContext(ctx, method, f.URL(service)+path, &buf)
	if err != nil {
		return "", err
	}
	req.Header.Set(telemetry.CorrelationHeader, j.correlation)
	if dark := method == http.MethodPost && j.darkOrder || method == http.MethodGet && j.darkRead; dark {
		req.Header.Set(telemetry.TraceHeader, telemetry.Unsampled())
		defer func() { f.leftOut(j, trace) }()
	}
	resp, err := f.client.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	switch {
	case err != nil:
		return "", err
	case resp.StatusCode == http.StatusPaymentRequired, resp.StatusCode == http.StatusUnprocessableEntity:
		f.counts.add(func(c *Counts) { c.Refused++ })
	case resp.StatusCode >= http.StatusBadRequest:
		return "", fmt.Errorf("status %d: %s", resp.StatusCode, answer)
	}
	return telemetry.TraceOf(resp.Header), nil
}

// leftOut labels a request that was not sampled.
func (f *Fleet) leftOut(j journey, trace string) {
	if trace == "" {
		return // it was not answered
	}
	f.o.Truth.Label(truth.Label{
		Kind: truth.LabelNoise, Name: UnsampledRequest, Subject: j.order.ID,
		Services: []string{Gateway}, Journeys: []string{j.correlation}, Traces: []string{trace},
	})
}

// failures keeps the first errors of many.
type failures struct {
	mu    sync.Mutex
	first []error
	more  int
}

// keepFailures is how many errors are worth reading.
const keepFailures = 5

func (f *failures) add(err error) {
	if err == nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.first) < keepFailures {
		f.first = append(f.first, err)
	} else {
		f.more++
	}
}

func (f *failures) err() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.more > 0 {
		return errors.Join(append(f.first, fmt.Errorf("and %d more", f.more))...)
	}
	return errors.Join(f.first...)
}
