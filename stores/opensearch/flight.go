package opensearch

import (
	"context"
	"errors"
	"maps"

	"muster/fleet"
)

// flight is a batch whose documents are on their way.
type flight struct {
	sending *sending
	from    int64 // the mark before it
	through int64 // the mark behind it; 0 when a commit goes on after it
	only    map[string]int64
	traces  traces   // its spans
	older   []string // its traces of which OpenSearch may have spans from before
}

// launch encodes a batch and sends it.
func (f *following) launch(ctx context.Context, c *fleet.Changes, from int64, only map[string]int64) (*flight, error) {
	fl := &flight{from: from, through: c.Through, only: only, traces: newTraces(c.Changes)}
	var err error
	if fl.older, err = f.known.older(ctx, f.Store, fl.traces, only != nil); err != nil {
		return nil, err
	}
	gs := fl.traces.groups()
	fl.sending = f.startSending(ctx)
	out := f.newChunk()
	var name indexName
	for i := range c.Changes {
		r := &c.Changes[i].Record
		index := name.of(r.Kind, r.Time)
		if !f.takes(fl, index) {
			continue
		}
		g := groupOf(&c.Changes[i], gs)
		out.add(index, documentID(r.Kind, r.ID), version(r.Revision, c.Changes[i].Amendment), func(b []byte) []byte {
			return appendDocument(b, r, g)
		})
		if out.full() {
			if fl.sending.send(out) != nil {
				break // wait says why
			}
			out = f.newChunk()
		}
	}
	_ = fl.sending.send(out) // as above
	return fl, nil           //nolint:nilerr // an error of sending is told by land
}

// takes reports whether a document of an index is to be sent. One that is behind
// gets no more in this run.
func (f *following) takes(fl *flight, index string) bool {
	if fl.only != nil {
		if _, ok := fl.only[index]; !ok {
			return false
		}
	}
	return !f.behind.has(index) && !fl.sending.isBlocked(index)
}

// land waits until a batch is written, sets the groups of its traces and moves
// the mark behind it.
func (f *following) land(ctx context.Context, fl *flight) error {
	w, err := fl.sending.wait()
	f.total.add(w)
	if err := f.hold(fl, err); err != nil {
		return err
	}
	found, err := f.settle(ctx, fl.older)
	if err != nil {
		return err
	}
	if err := f.hold(fl, &BlockedError{found.blocked}); err != nil {
		return err
	}
	maps.Copy(fl.traces, found.traces)
	if f.takes(fl, serviceMapIndex) {
		if err := f.hold(fl, f.chart(ctx, fl.traces.relations(), fl.only != nil)); err != nil {
			return err
		}
		if err := f.uncharted(ctx, &found); err != nil {
			return err
		}
	}
	if fl.through == 0 {
		return nil
	}
	if fl.only == nil {
		f.mark.Evidence = fl.through
	}
	for index := range fl.only {
		if !f.behind.has(index) {
			f.mark.Behind[index] = fl.through
		}
	}
	return f.saveMark(ctx, f.id, f.mark)
}

// hold notes indices that take nothing as behind, from the mark before a batch;
// any other error it returns.
func (f *following) hold(fl *flight, err error) error {
	blocked, ok := errors.AsType[*BlockedError](err)
	if !ok {
		return err
	}
	if f.mark.Behind == nil {
		f.mark.Behind = map[string]int64{}
	}
	f.behind.add(blocked.Reasons)
	for index := range blocked.Reasons {
		if m, ok := f.mark.Behind[index]; !ok || fl.from < m {
			f.mark.Behind[index] = fl.from
		}
	}
	return nil
}
