package localaws

import "context"

// mountTelemetry builds CloudWatch Logs, X-Ray and the X-Ray daemon.
func (s *Server) mountTelemetry(ctx context.Context, o Options) error {
	logs := newLogStore(s.delay.Logs, s.trouble, s.tokens)
	s.register("logs", logs.operations())
	s.drains = append(s.drains, logs.drain)

	traces := newTraceStore(s.trouble, s.tokens)
	s.register("xray", traces.operations())

	d, err := startDaemon(ctx, o.DaemonAddr, daemonBackend{
		put: traces.put, operations: traces.operations(),
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
