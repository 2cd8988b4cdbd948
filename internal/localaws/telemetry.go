package localaws

import (
	"context"
	"strings"
	"sync/atomic"
	"time"
)

// mountTelemetry builds CloudWatch Logs, X-Ray and the X-Ray daemon.
func (s *Server) mountTelemetry(ctx context.Context, o Options) error {
	s.deliveries = newPlaced(func(place) *deliveryStreams { return newDeliveryStreams(s) }, (*deliveryStreams).operations)
	registerPlaced(s, "firehose", s.deliveries)
	s.streams = newPlaced(func(place) *dataStreams { return newDataStreams(s) }, (*dataStreams).operations)
	registerPlaced(s, "kinesis", s.streams)
	s.drains = append(s.drains, func() { s.deliveries.each(func(ds *deliveryStreams) { ds.deliver(true) }) })

	var logBytes, traceBytes atomic.Int64
	s.logs = newPlaced(func(where place) *logStore {
		logs := newLogStore(s.delay.Logs, s.trouble, s.tokens)
		logs.held, logs.now, logs.account = &logBytes, s.now, where.account
		if where.account == s.account { // the management account monitors its members
			logs.linked = func() []*logStore { return s.memberLogs(where.region) }
		}
		logs.subscriber = func(destination, partition string, record []byte) bool {
			if strings.HasPrefix(destination, "arn:aws:firehose:") {
				return s.deliveries.at(where).take(destination, record)
			}
			return s.streams.at(where).take(destination, partition, record)
		}
		return logs
	}, (*logStore).operations)
	registerPlaced(s, "logs", s.logs)
	s.drains = append(s.drains, func() { s.logs.each((*logStore).drain) })

	s.traces = newPlaced(func(where place) *traceStore {
		traces := newTraceStore(s.trouble, s.tokens)
		traces.held = &traceBytes
		traces.destination.search = o.TransactionSearch
		traces.send = func(now time.Time, spans []inputLogEvent) error {
			return s.logs.at(where).deliver(where.account, now, 0, spansGroup, spansStream, spans)
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

// memberLogs are the log groups of the organization's members in a region.
func (s *Server) memberLogs(region string) []*logStore {
	var stores []*logStore
	for _, m := range s.members {
		if m.ID != s.account {
			stores = append(stores, s.logs.at(place{m.ID, region}))
		}
	}
	return stores
}

// DaemonAddr is the host and port of the X-Ray daemon, for UDP and TCP.
func (s *Server) DaemonAddr() string { return s.daemon.addr }
