package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"muster/fleet"
	"muster/internal/localaws"
)

// The soak: seeded schedules of faults over the stand-in, a SIGKILL of a
// collecting process in each, and at the end exactly the truth.
var (
	soakSchedules = flag.Int("soak.schedules", 3, "how many schedules the soak runs; make soak runs 500, make test 40")
	soakSeed      = flag.Uint64("soak.seed", 1, "seed of the first schedule; the others follow it")
	soakSweep     = flag.String("soak.sweep-after", "2h", "muster's --sweep-after; 0s shows that the soak finds what is lost without a sweep")
	soakAtOnce    = flag.Int("soak.parallel", 4, "how many schedules run at once: most of their time is waiting")
)

// What happens in one schedule. Evidence is put in phases, with a collection
// after each, so that checkpoints move while it is late.
const (
	soakPhases = 3
	soakPhase  = 20 * time.Minute // of the stand-in's clock
	soakLate   = time.Hour        // by which evidence is late at most
	soakLines  = 30               // of a phase, each in one of two groups
	soakTraces = 6                // of a phase, two spans each
	soakCalls  = 6                // of a phase, on items: data events
	// soakTries is how often a collection is tried that faults end. The faults'
	// odds let one call in some ten thousand fail for good.
	soakTries = 12
)

func TestSoak(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIPPED: -short leaves the soak out; make soak runs it")
	}
	var total soakResult
	var mu sync.Mutex
	slots := make(chan struct{}, *soakAtOnce)
	var wg sync.WaitGroup
	for i := range uint64(*soakSchedules) {
		seed := *soakSeed + i
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			r, err := soak(t, seed)
			mu.Lock()
			defer mu.Unlock()
			total.add(r)
			if err == nil && len(r.lost)+len(r.doubled) == 0 {
				return
			}
			t.Errorf("schedule of seed %d: %v\n%d lost: %s\n%d doubled: %s\nalone: go test ./cmd/muster -run '^TestSoak$' -v -soak.schedules 1 -soak.seed %d",
				seed, err, len(r.lost), some(r.lost), len(r.doubled), some(r.doubled), seed)
		})
	}
	wg.Wait()
	fmt.Printf("soak: seeds %d to %d: %d schedules, %d records of the truth, %d kills, %d collections: %d lost, %d doubled\n",
		*soakSeed, *soakSeed+uint64(*soakSchedules)-1, *soakSchedules, total.truth, total.kills, total.runs, len(total.lost), len(total.doubled))
	if total.kills < *soakSchedules {
		t.Errorf("%d of %d schedules were over before they could be killed", *soakSchedules-total.kills, *soakSchedules)
	}
}

// soakResult is what became of schedules.
type soakResult struct {
	truth, kills, runs int
	lost, doubled      []string
}

func (r *soakResult) add(o soakResult) {
	r.truth += o.truth
	r.kills += o.kills
	r.runs += o.runs
	r.lost = append(r.lost, o.lost...)
	r.doubled = append(r.doubled, o.doubled...)
}

func some(all []string) string {
	const enough = 8
	if len(all) > enough {
		return strings.Join(all[:enough], ", ") + ", …"
	}
	return strings.Join(all, ", ")
}

// soak runs one schedule.
func soak(t *testing.T, seed uint64) (r soakResult, err error) {
	w, closeWorld, err := newWorld(t, seed)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, closeWorld()) }()
	killIn := w.rng.IntN(soakPhases)
	for phase := range soakPhases {
		w.clock.Add(int64(soakPhase))
		if err := w.happen(t.Context(), phase); err != nil {
			return r, fmt.Errorf("phase %d: %w", phase, err)
		}
		if w.rng.IntN(4) == 0 {
			w.deny.Store(&deniable[w.rng.IntN(len(deniable))])
		}
		if phase >= killIn && r.kills == 0 {
			killed, err := w.collect(t.Context(), &moment{1 + w.rng.IntN(60), time.Duration(w.rng.IntN(60)) * time.Millisecond})
			r.runs++
			if killed {
				r.kills++
			} else if err != nil {
				t.Logf("seed %d, phase %d: %v", seed, phase, err)
			}
		}
		// A pass that faults end is no loss: the next one goes on from there.
		if _, err := w.collect(t.Context(), nil); err != nil {
			t.Logf("seed %d, phase %d: %v", seed, phase, err)
		}
		r.runs++
		w.deny.Store(nil)
	}
	// Everything has come by now, and every hour of it is old enough.
	w.clock.Add(int64(soakLate + 2*time.Hour + time.Hour + soakPhase))
	if r.kills == 0 {
		if killed, _ := w.collect(t.Context(), &moment{1 + w.rng.IntN(8), 0}); killed {
			r.kills++
		}
		r.runs++
	}
	for try := 1; ; try++ {
		_, err := w.collect(t.Context(), nil)
		r.runs++
		if err == nil {
			break
		}
		if try == soakTries {
			return r, fmt.Errorf("the last collection failed %d times: %w", try, err)
		}
	}
	r.truth = len(w.truth)
	r.lost, r.doubled, err = w.compare(t.Context())
	return r, err
}

// program starts this test binary as muster.
func (w *world) program(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, os.Args[0], args...)
	cmd.Env = append(os.Environ(), asMuster+"=1", "MUSTER_STORE="+filepath.Join(w.folder, "lake"),
		"AWS_ACCESS_KEY_ID="+localaws.BootstrapKey, "AWS_SECRET_ACCESS_KEY="+localaws.BootstrapSecret,
		"AWS_EC2_METADATA_DISABLED=true", "AWS_CONFIG_FILE="+os.DevNull, "AWS_SHARED_CREDENTIALS_FILE="+os.DevNull)
	return cmd
}

// collect runs one collecting process up to the stand-in's now, to its end or to
// the moment of its killing, and reports whether it was killed.
func (w *world) collect(ctx context.Context, at *moment) (killed bool, err error) {
	const patience = 3 * time.Minute // a pass takes seconds, on a busy machine some ten
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	cmd := w.program(ctx, "collect", "--endpoint-url", w.endpoint, "--region", localaws.DefaultRegion,
		"--trail-bucket", w.aws.TrailBucket(), "--since", fleet.FormatTime(w.begin), "--until", fleet.FormatTime(w.now()),
		"--commit-records", "40", "--commit-every", "50ms", "--quota-share", "0", "--sweep-after", *soakSweep)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	err = cmd.Start()
	if err == nil && at != nil {
		var once sync.Once
		kill := func(n int64) {
			if n >= int64(at.requests) {
				once.Do(func() {
					time.AfterFunc(at.wait, func() { _ = cmd.Process.Kill() }) // it may have ended by itself: Wait tells
				})
			}
		}
		w.requests.Store(0)
		w.reached.Store(&kill)
		defer w.reached.Store(nil)
	}
	if err == nil {
		err = cmd.Wait()
	}
	if err != nil && at != nil && cmd.ProcessState != nil && cmd.ProcessState.ExitCode() == -1 {
		return true, nil
	}
	if err != nil {
		err = fmt.Errorf("collect: %w: %s", err, strings.TrimSpace(stderr.String()))
	}
	return false, err
}

// compare holds the lake to the truth. Every record must be there once by its
// id, and what shows only one of them must be there once.
func (w *world) compare(ctx context.Context) (lost, doubled []string, err error) {
	out, err := w.program(ctx, "sql", "--json", `select kind, id, message, span_id, request_id, resources, event_name from records`).Output()
	if err != nil {
		return nil, nil, fmt.Errorf("read the lake: %w", err)
	}
	ids, shown := map[string]int{}, map[string]int{}
	for d := json.NewDecoder(strings.NewReader(string(out))); d.More(); {
		var row struct {
			Kind, ID, Message string
			Span              string `json:"span_id"`
			Request           string `json:"request_id"`
			Resources         any
		}
		if err := d.Decode(&row); err != nil {
			return nil, nil, fmt.Errorf("read the lake: %w", err)
		}
		ids[row.Kind+" "+row.ID]++
		switch row.Kind {
		case "log":
			shown["log "+row.Message]++
		case "span":
			shown["span "+row.Span]++
		case "api_call":
			shown["call "+row.Request]++
		case "change":
			for name := range w.truth {
				if resource, ok := strings.CutPrefix(name, "change "); ok && strings.Contains(fmt.Sprint(row.Resources), resource) {
					shown[name] = 1 // of which there may be several
				}
			}
		}
	}
	for name := range w.truth {
		if shown[name] == 0 {
			lost = append(lost, name)
		}
		if shown[name] > 1 {
			doubled = append(doubled, name)
		}
	}
	for id, n := range ids {
		if n > 1 {
			doubled = append(doubled, id)
		}
	}
	for name := range shown { // what nobody wrote
		if kind, _, _ := strings.Cut(name, " "); (kind == "log" || kind == "span") && !w.truth[name] {
			doubled = append(doubled, "invented: "+name)
		}
	}
	return lost, doubled, nil
}
