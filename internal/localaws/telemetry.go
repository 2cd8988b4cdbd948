package localaws

import (
	"context"
	"sync/atomic"
	"time"
)

// mountTelemetry builds CloudWatch Logs, X-Ray and the X-Ray daemon.
func (s *Server) mountTelemetry(ctx context.Context, o Options) error {
	var logBytes, traceBytes atomic.Int64
	s.logs = newPlaced(func(place) *logStore {
		logs := newLogStore(s.delay.Logs, s.trouble, s.tokens)
		logs.held = &logBytes
		return logs
	}, (*logStore).operations)
	registerPlaced(s, "logs", s.logs)
	s.drains = append(s.drains, func() { s.logs.each((*logStore).drain) })

	s.traces = newPlaced(func(where place) *traceStore {
		traces := newTraceStore(s.trouble, s.tokens)
		traces.held = &traceBytes
		traces.destination.search = o.TransactionSearch
		traces.send = func(now time.Time, spans []inputLogEvent) error {
			return s.logs.at(where).deliver(now, spansGroup, spansStream, spans)
		}
		return traces
	}, (*traceStore).operations)
	registerPlaced(s, "xray", s.traces)

	home := s.traces.at(place{s.account, s.region})
	d, err := startDaemon(ctx, o.DaemonAddr, daemonBackend{
		put: home.put, operations: home.operations(),
		account: s.account, region: s.region, now: s.now, log: s.log,
	})
	if err != nil {
		return err
	}
	s.daemon = d
	s.closers = append(s.closers, d.close)
	return nil
}

// DaemonAddr is the host and port of the X-Ray daemon, for UDP and TCP.
func (s *Server) DaemonAddr() string { return s.daemon.addr }
