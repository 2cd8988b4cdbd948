package telemetry

import (
	"bytes"
	"context"
	"log/slog"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"muster/samples/truth"
)

// The fields of a log line by which muster joins it.
const (
	FieldMessage = "message_id"
	FieldRequest = "aws_request_id"

	fieldLine        = "line"
	fieldService     = "service"
	fieldTrace       = "trace_id"
	fieldSpan        = "span_id"
	fieldCorrelation = "correlation_id"
)

type (
	correlationKey struct{}
	unlinkedKey    struct{}
)

func withCorrelation(ctx context.Context, id string) context.Context {
	return context.WithValue(ctx, correlationKey{}, id)
}

// Correlation is the id of the journey that a context belongs to; "" for none.
func Correlation(ctx context.Context) string {
	id, _ := ctx.Value(correlationKey{}).(string)
	return id
}

// Unlinked is for lines that say nothing of their trace, as those of a library
// that knows of no traces: the truth still notes it.
func Unlinked(ctx context.Context) context.Context {
	return context.WithValue(ctx, unlinkedKey{}, true)
}

// Write puts out a line of text, as a program does that has a format of its
// own. The line is its own id: no two may be the same.
func (t *Telemetry) Write(ctx context.Context, text string) {
	if t.lines == nil {
		return // a silent service
	}
	trace, _ := t.tracer.ids(ctx)
	unlinked, _ := ctx.Value(unlinkedKey{}).(bool)
	t.Truth.Line(truth.Line{ID: truth.TextLine(text), Service: t.service, Trace: trace, Unlinked: unlinked})
	t.shipper.add(t.lines.now().UTC(), text)
}

// WriteOf is Write for a program that stands beside the service and knows the
// trace from a header, if at all.
func (t *Telemetry) WriteOf(trace, text string) {
	if t.lines == nil {
		return
	}
	t.Truth.Line(truth.Line{ID: truth.TextLine(text), Service: t.service, Trace: trace})
	t.shipper.add(t.lines.now().UTC(), text)
}

// lineHandler writes slog records as JSON lines that carry their own id and
// the trace that they were written in.
type lineHandler struct {
	*lineWriter
	json slog.Handler // writes to lineWriter.line
}

// lineWriter is what all handlers made from one by With share.
type lineWriter struct {
	service, run string
	next         atomic.Int64
	tracer       tracer
	truth        *truth.Recorder
	now          func() time.Time
	out          *shipper

	mu   sync.Mutex
	line bytes.Buffer
}

func newLog(w *lineWriter) *slog.Logger {
	h := slog.NewJSONHandler(&w.line, &slog.HandlerOptions{Level: slog.LevelInfo})
	return slog.New(lineHandler{lineWriter: w, json: h.WithAttrs([]slog.Attr{slog.String(fieldService, w.service)})})
}

// Enabled says yes from level info on.
func (h lineHandler) Enabled(ctx context.Context, l slog.Level) bool { return h.json.Enabled(ctx, l) }

// WithAttrs makes a handler that adds attributes to each line.
func (h lineHandler) WithAttrs(as []slog.Attr) slog.Handler {
	return lineHandler{lineWriter: h.lineWriter, json: h.json.WithAttrs(as)}
}

// WithGroup makes a handler that puts what follows under a name.
func (h lineHandler) WithGroup(name string) slog.Handler {
	return lineHandler{lineWriter: h.lineWriter, json: h.json.WithGroup(name)}
}

// Handle writes one line, and the truth about it.
func (h lineHandler) Handle(ctx context.Context, r slog.Record) error {
	id := h.service + "-" + h.run + "-" + strconv.FormatInt(h.next.Add(1), 10)
	r = r.Clone()
	r.Time = h.now().UTC()
	r.AddAttrs(slog.String(fieldLine, id))
	trace, span := h.tracer.ids(ctx)
	unlinked, _ := ctx.Value(unlinkedKey{}).(bool)
	if trace != "" && !unlinked {
		r.AddAttrs(slog.String(fieldTrace, h.tracer.shown(ctx)), slog.String(fieldSpan, span))
		if c := Correlation(ctx); c != "" {
			r.AddAttrs(slog.String(fieldCorrelation, c))
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.line.Reset()
	if err := h.json.Handle(ctx, r); err != nil {
		return err
	}
	known := truth.Line{ID: id, Service: h.service, Trace: trace, Unlinked: unlinked}
	if unlinked && trace != "" && !h.tracer.sampled(ctx) {
		known.Message = messageOf(r)
		known.Hidden = known.Message == ""
	}
	h.truth.Line(known)
	h.out.add(r.Time, string(bytes.TrimRight(h.line.Bytes(), "\n")))
	return nil
}

// messageOf is the message that a line names; "" for none.
func messageOf(r slog.Record) (id string) {
	r.Attrs(func(a slog.Attr) bool {
		if a.Key == FieldMessage {
			id = a.Value.String()
		}
		return id == ""
	})
	return id
}
