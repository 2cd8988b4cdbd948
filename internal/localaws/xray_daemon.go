package localaws

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"
)

// maxDatagram is the largest UDP payload there is, in bytes.
const maxDatagram = 65_507

// daemonBuffer is what the kernel is asked to hold while segments come in
// bursts; it may grant less. A datagram without room is lost, as with AWS's own
// daemon.
const daemonBuffer = 4 << 20

// bindAttempts is how often a free TCP port may turn out to be taken for UDP.
const bindAttempts = 16

// A daemon is the X-Ray daemon: segments by UDP, and the sampling calls by HTTP
// on the same port number.
type daemon struct {
	segments *net.UDPConn
	http     *http.Server
	addr     string
	serving  sync.WaitGroup
}

// A daemonBackend is what a daemon serves.
type daemonBackend struct {
	put        func(now time.Time, document string) *unprocessedSegment
	operations map[string]operation
	account    string
	region     string
	now        func() time.Time
	log        *slog.Logger
}

// startDaemon listens until close; the context bounds the starting only.
func startDaemon(ctx context.Context, addr string, b daemonBackend) (*daemon, error) {
	listener, segments, err := listenBoth(ctx, addr)
	if err != nil {
		return nil, fmt.Errorf("listen for the X-Ray daemon on %s: %w", addr, err)
	}
	if err := segments.SetReadBuffer(daemonBuffer); err != nil {
		b.log.DebugContext(ctx, "the X-Ray daemon keeps the system's buffer", "err", err)
	}
	d := &daemon{
		segments: segments, addr: listener.Addr().String(),
		http: &http.Server{
			Handler: b, ReadHeaderTimeout: 10 * time.Second, // as the main endpoint
			ErrorLog: slog.NewLogLogger(b.log.Handler(), slog.LevelDebug),
		},
	}
	d.serving.Go(func() { b.receive(segments) })
	d.serving.Go(func() {
		if err := d.http.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			b.log.ErrorContext(ctx, "the X-Ray daemon stopped serving", "err", err)
		}
	})
	return d, nil
}

// listenBoth finds a port that is free for TCP and UDP alike.
func listenBoth(ctx context.Context, addr string) (net.Listener, *net.UDPConn, error) {
	var lc net.ListenConfig
	var errs []error
	for range bindAttempts {
		l, err := lc.Listen(ctx, "tcp", addr)
		if err != nil {
			return nil, nil, err
		}
		p, err := lc.ListenPacket(ctx, "udp", l.Addr().String())
		if err == nil {
			return l, p.(*net.UDPConn), nil // which "udp" always is
		}
		errs = append(errs, err, l.Close())
	}
	return nil, nil, errors.Join(errs...)
}

// close frees the ports; what the kernel still holds of segments is lost.
func (d *daemon) close() error {
	err := errors.Join(d.segments.Close(), d.http.Close())
	d.serving.Wait()
	return err
}

// receive takes segments until the connection is closed.
func (b daemonBackend) receive(segments *net.UDPConn) {
	buffer := make([]byte, maxDatagram)
	for {
		n, err := segments.Read(buffer)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			b.log.Warn("the X-Ray daemon could not read a datagram", "err", err)
			continue
		}
		document, err := parseDatagram(buffer[:n])
		if err != nil {
			b.log.Warn("the X-Ray daemon dropped a datagram", "bytes", n, "err", err)
			continue
		}
		if refused := b.put(b.now(), string(document)); refused != nil {
			b.log.Warn("a segment was not processed", "id", refused.ID, "code", refused.ErrorCode, "bytes", len(document))
		}
	}
}

// parseDatagram splits the daemon's header line from the segment document,
// which is returned as it came. It does not look into the document.
func parseDatagram(datagram []byte) ([]byte, error) {
	line, document, ok := bytes.Cut(datagram, []byte("\n"))
	if !ok {
		return nil, errors.New("no header line")
	}
	var header struct {
		Format  string `json:"format"`
		Version int    `json:"version"`
	}
	if err := json.Unmarshal(line, &header); err != nil {
		return nil, fmt.Errorf("read the header line: %w", err)
	}
	if header.Format != "json" || header.Version != 1 {
		return nil, fmt.Errorf("format %q version %d is not json version 1", header.Format, header.Version)
	}
	if len(document) == 0 {
		return nil, errors.New("no document")
	}
	return document, nil
}

// daemonCalls are the operations that the daemon passes on for SDKs.
var daemonCalls = map[string]bool{"GetSamplingRules": true, "GetSamplingTargets": true}

// ServeHTTP answers the sampling calls. SDKs do not sign them, so that nobody
// could say whose they are: they leave no CloudTrail events.
func (b daemonBackend) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		w.WriteHeader(http.StatusRequestEntityTooLarge)
		return
	}
	c := &call{Service: "xray", Account: b.account, Region: b.region, RequestID: newRequestID("xray"), Time: b.now()}
	p := restJSONProtocol{}
	var answer any
	if err = p.parse(r, body, c); err == nil {
		if !daemonCalls[c.Operation] {
			err = unknownOperation(c)
		} else {
			answer, err = b.operations[c.Operation](r.Context(), c)
		}
	}
	if err != nil {
		p.fail(w, c, asAPIError(err))
		return
	}
	if err := p.write(w, c, answer); err != nil {
		b.log.DebugContext(r.Context(), "a sampling answer was not taken", "err", err)
	}
}
