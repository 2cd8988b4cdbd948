// Package truth is what the sample fleet knows about itself: which evidence
// belongs to which request and journey, and what an audit must find. The
// services write it down where it happens; muster never sees it. Score holds
// what muster made of the evidence against it.
package truth

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// version is the file's format. Read refuses any other, since a score against
// a file that is understood only in part would be worth nothing.
const version = 2

// File is the truth about one run of the fleet. Traces are spelled as muster
// spells them: 32 lower-case hex digits.
type File struct {
	Version   int        `json:"version"`
	Seed      uint64     `json:"seed"`
	Started   time.Time  `json:"started"`
	Ended     time.Time  `json:"ended"`
	Faults    []string   `json:"faults"`
	Incidents []string   `json:"incidents"`
	Requests  []Request  `json:"requests"`
	Traces    []Trace    `json:"traces"`
	Spans     []Span     `json:"spans"`
	Lines     []Line     `json:"lines"`
	Calls     []Call     `json:"calls"`
	Messages  []Message  `json:"messages"`
	Changes   []Change   `json:"changes"`
	Sessions  []Session  `json:"sessions"`
	Labels    []Label    `json:"labels"`
	Expected  []Expected `json:"expected"`
	// Allowed are the traces, by policy, on which it may report something although
	// no fault was at work: on a busy machine a call really does take long.
	Allowed map[string][]string `json:"allowed"`
}

// Request is one request of a client, as the gateway answered it.
type Request struct {
	Trace   string `json:"trace"`
	Span    string `json:"span"` // the gateway's own segment; empty when it was not sampled
	Journey string `json:"journey"`
	Name    string `json:"name"`
	Status  int    `json:"status"`
}

// Trace is one trace and the journey that it is a part of; Journey is the
// correlation id, empty for none.
type Trace struct {
	ID      string `json:"id"`
	Journey string `json:"journey"`
	// Also are further journeys that it is a part of: it handled a batch of
	// messages of several.
	Also []string `json:"also,omitempty"`
	// Unsampled says that no span of it was sent: log lines alone show it.
	Unsampled bool `json:"unsampled,omitempty"`
}

// Span is one segment or subsegment that was sent.
type Span struct {
	Trace   string `json:"trace"`
	ID      string `json:"id"`
	Service string `json:"service"`
	Name    string `json:"name"`
}

// Line is one log line, known by the unique id in its field "line".
type Line struct {
	ID      string `json:"id"`
	Service string `json:"service"`
	// Trace is what the line belongs to, whether it says so or not; empty for none.
	Trace string `json:"trace"`
	// Unlinked says that the line does not show its trace itself.
	Unlinked bool `json:"unlinked"`
	// Hidden says that nothing else tells it either, since the request is in no
	// span that was sent.
	Hidden bool `json:"hidden,omitempty"`
	// Message is all that ties an unlinked line of such a request: to the trace that
	// shows the message first, which may be that of who handled it.
	Message string `json:"message,omitempty"`
}

// Call is one attempt of an AWS call, known by the request id of its answer.
type Call struct {
	Request   string `json:"request"`
	Service   string `json:"service"`
	Operation string `json:"operation"`
	Trace     string `json:"trace"`
	Span      string `json:"span"` // empty where it is in none that was sent: nothing can join it
	Failed    bool   `json:"failed"`
	// Retried says that the SDK tried again after it. A span keeps only the last
	// attempt's request id, so nothing outside the service can join this one.
	Retried bool `json:"retried"`
	// Hidden says that the trail has it under another id, Request, than the answer
	// showed the service: nothing can join it either.
	Hidden bool `json:"hidden,omitempty"`
	// Unsure says that the trail was stopped about then: whether it has the call
	// nobody knows.
	Unsure bool `json:"unsure,omitempty"`
	// Began is when it was made, where that is known. The recorder asks for it, and
	// keeps it not.
	Began time.Time `json:"-"`
}

// joinable reports whether the evidence shows what the call belongs to.
func (c *Call) joinable() bool { return c.Span != "" && !c.Retried && !c.Hidden }

// Message is one message, known by the id that its topic gave it.
type Message struct {
	ID       string `json:"id"`
	Producer string `json:"producer"` // the trace that published it
	Consumer string `json:"consumer"` // the trace that handled it; empty until then
	// Attempts are earlier traces that tried to handle it.
	Attempts []string `json:"attempts,omitempty"`
}

// Change is a write to the configuration of a resource.
type Change struct {
	Resource string `json:"resource"` // canonical, "AWS::DynamoDB::Table/orders"
	Request  string `json:"request"`
}

// Session is a temporary key and the principal that obtained it.
type Session struct {
	Key    string `json:"key"`
	Origin string `json:"origin"`
}

// Expected is what an audit must report of one fault or incident, and the only
// places where it may.
type Expected struct {
	Policy string `json:"policy"`
	// AtLeast is the least number of findings.
	AtLeast int `json:"at_least"`
	// Times is how often it happened; findings may add up what is alike.
	Times     int      `json:"times"`
	Traces    []string `json:"traces"`
	Journeys  []string `json:"journeys"`
	Resources []string `json:"resources"`
	Requests  []string `json:"requests"`
	// Anywhere says that the incident has no trace, resource or request id by
	// which a finding could be held to it.
	Anywhere bool `json:"anywhere"`
}

// Read reads a file that Write wrote.
func Read(path string) (*File, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read ground truth: %w", err)
	}
	var f File
	if err := json.Unmarshal(b, &f); err != nil {
		return nil, fmt.Errorf("read ground truth %s: %w", path, err)
	}
	if f.Version != version {
		return nil, fmt.Errorf("read ground truth %s: version %d, want %d", path, f.Version, version)
	}
	return &f, nil
}

// Write writes the file whole or not at all.
func (f *File) Write(path string) (err error) {
	b, err := json.MarshalIndent(f, "", " ")
	if err != nil {
		return fmt.Errorf("write ground truth: %w", err)
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return fmt.Errorf("write ground truth: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("write ground truth %s: %w", path, err), os.Remove(tmp.Name()))
		}
	}()
	_, err = tmp.Write(append(b, '\n'))
	if err == nil {
		err = tmp.Sync()
	}
	if err = errors.Join(err, tmp.Close()); err != nil {
		return err
	}
	return os.Rename(tmp.Name(), path)
}
