package localaws

import (
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/http"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/protobuf/proto"
)

// otlpPath is where OpenTelemetry's SDKs send spans over HTTP.
const otlpPath = "/v1/traces"

// serveOTLP is the ADOT collector with its X-Ray exporter: it takes spans by
// OTLP over HTTP and hands them to X-Ray as segment documents. It is no part of
// AWS's API: calls of it are not signed and leave no events.
func (s *Server) serveOTLP(w http.ResponseWriter, r *http.Request) {
	sent, err := readOTLP(w, r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	now, refused, put := s.now(), int64(0), s.traces.at(place{s.account, s.region}).put
	for _, document := range segmentsOf(sent.ResourceSpans) {
		if u := put(now, document); u != nil {
			s.log.WarnContext(r.Context(), "a span was not processed", "id", u.ID, "code", u.ErrorCode, "bytes", len(document))
			refused++
		}
	}
	answer := &collector.ExportTraceServiceResponse{}
	if refused > 0 {
		answer.PartialSuccess = &collector.ExportTracePartialSuccess{RejectedSpans: refused, ErrorMessage: "X-Ray did not process all segments"}
	}
	body, err := proto.Marshal(answer)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/x-protobuf")
	if _, err := w.Write(body); err != nil {
		s.log.DebugContext(r.Context(), "an exporter did not take its answer", "err", err)
	}
}

func readOTLP(w http.ResponseWriter, r *http.Request) (*collector.ExportTraceServiceRequest, error) {
	if r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/x-protobuf" {
		return nil, errors.New("spans are taken as application/x-protobuf by POST only")
	}
	body := io.Reader(http.MaxBytesReader(w, r.Body, maxBody))
	if r.Header.Get("Content-Encoding") == "gzip" {
		unzipped, err := gzip.NewReader(body)
		if err != nil {
			return nil, fmt.Errorf("read the spans: %w", err)
		}
		body = io.LimitReader(unzipped, maxBody)
	}
	b, err := io.ReadAll(body)
	if err != nil {
		return nil, fmt.Errorf("read the spans: %w", err)
	}
	sent := new(collector.ExportTraceServiceRequest)
	if err := proto.Unmarshal(b, sent); err != nil {
		return nil, fmt.Errorf("read the spans: %w", err)
	}
	return sent, nil
}
