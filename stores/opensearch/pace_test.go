package opensearch

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// modelEngine is an engine in a time of its own: so many requests get on at full
// speed, and more share that. Each takes some more or less time than the next.
type modelEngine struct {
	cores  int
	now    time.Time
	random *rand.Rand
	left   []float64 // seconds of work of each request that runs
	sent   []time.Time
}

// step sends what the pace allows, and answers the request that ends first.
func (m *modelEngine) step(p *pace) {
	for len(m.left) < p.limit {
		m.left, m.sent = append(m.left, 0.14*(0.7+0.6*m.random.Float64())), append(m.sent, m.now)
		p.running++
	}
	first := 0
	for i := range m.left {
		if m.left[i] < m.left[first] {
			first = i
		}
	}
	work := m.left[first]
	share := min(1, float64(m.cores)/float64(len(m.left)))
	m.now = m.now.Add(time.Duration(work / share * float64(time.Second)))
	for i := range m.left {
		m.left[i] -= work
	}
	sent := m.sent[first]
	m.left, m.sent = append(m.left[:first], m.left[first+1:]...), append(m.sent[:first], m.sent[first+1:]...)
	p.answered(sent, m.now, bulkBytes, false)
	p.leave()
}

// As many requests run as the engine works on at once, and hardly more, whatever
// single ones take.
func TestPaceFollowsSpeed(t *testing.T) {
	for _, cores := range []int{1, 2, 3, 4, 6, 8, 16} {
		want := float64(min(max(cores, fewestRequests), mostRequests))
		for seed := range uint64(5) {
			p := newPace()
			p.waiting = 1
			m := modelEngine{cores: cores, random: rand.New(rand.NewPCG(seed, 1)), now: time.Unix(0, 0)}
			const answers = 3000
			sum := 0
			for i := range 2 * answers {
				m.step(p)
				if i >= answers {
					sum += p.limit
				}
			}
			if mean := float64(sum) / answers; mean < 0.8*want || mean > want+1 {
				t.Errorf("%d cores, seed %d: %.1f requests at once, want about %.0f", cores, seed, mean, want)
			}
		}
	}
}

// A lake that is read more slowly than the engine takes it says nothing about the engine.
func TestPaceStaysWithoutRequestsThatWait(t *testing.T) {
	p := newPace()
	m := modelEngine{cores: 8, random: rand.New(rand.NewPCG(1, 1)), now: time.Unix(0, 0)}
	for range 1000 {
		m.step(p)
	}
	if p.limit != fewestRequests {
		t.Errorf("got %d requests at once, want %d", p.limit, fewestRequests)
	}
}

func TestPaceHalvesOnceForAllThatRan(t *testing.T) {
	p := newPace()
	p.limit = 8
	start := time.Unix(0, 0)
	for i := range 8 {
		p.answered(start, start.Add(time.Duration(i+1)*time.Second), bulkBytes, true)
	}
	if p.limit != 4 {
		t.Errorf("got %d requests at once, want 4", p.limit)
	}
	p.answered(start.Add(time.Minute), start.Add(2*time.Minute), bulkBytes, true)
	if p.limit != 2 {
		t.Errorf("after one that was sent later: got %d requests at once, want 2", p.limit)
	}
}

// busyServer has room for so many requests at once, each of which takes a
// moment, and turns the others away.
type busyServer struct {
	room                 int
	running, most, turns atomic.Int64
}

func (b *busyServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	n := b.running.Add(1)
	defer b.running.Add(-1)
	b.most.Store(max(b.most.Load(), n))
	body, _ := io.ReadAll(r.Body)
	if n > int64(b.room) {
		b.turns.Add(1)
		http.Error(w, `{"error":{"type":"rejected_execution_exception","reason":"queue is full"}}`, http.StatusTooManyRequests)
		return
	}
	time.Sleep(5 * time.Millisecond) // the engine works
	items := strings.Repeat(`{"index":{"status":201}},`, bytes.Count(body, []byte("\n"))/2)
	fmt.Fprintf(w, `{"errors":false,"items":[%s]}`, strings.TrimSuffix(items, ","))
}

func TestPaceFindsTheEnginesOwn(t *testing.T) {
	for _, room := range []int{1, 2, 4, mostRequests} {
		server := &busyServer{room: room}
		s := openAt(t, server)
		s.pause = 2 * time.Millisecond
		w := s.startSending(t.Context())
		const chunks = 150
		for range chunks {
			c := &chunk{}
			c.add("i", "a", 1, func(b []byte) []byte { return append(b, bytes.Repeat([]byte(" "), measuredBytes)...) })
			if err := w.send(c); err != nil {
				t.Fatal(err)
			}
		}
		got, err := w.wait()
		if err != nil || got != (Written{chunks, 0}) {
			t.Errorf("room for %d: got %+v, %v, want that all are written", room, got, err)
		}
		if n := server.most.Load(); n < int64(min(room, 2)) || n > mostRequests {
			t.Errorf("room for %d: %d requests ran at once", room, n)
		}
		// It is turned away as it feels for the bound, and not much more.
		if n := server.turns.Load(); n > chunks {
			t.Errorf("room for %d: turned away %d times", room, n)
		}
		t.Logf("room for %d: at most %d at once, turned away %d times, limit %d", room, server.most.Load(), server.turns.Load(), s.pace.limit)
	}
}
