package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"muster/stores/lake"
	"muster/stores/opensearch"
)

// bulkWorkers of the bare loader send at once: more do not help on two cores.
const bulkWorkers = 2

// tape is an OpenSearch that takes everything, keeps the bulk requests and has
// no documents: what muster sends to an empty engine.
type tape struct {
	mu     sync.Mutex
	bodies [][]byte
	items  int
	// forgets: the requests are counted and not kept.
	forgets bool
}

func (t *tape) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body := bytes.NewBuffer(make([]byte, 0, max(0, r.ContentLength)+bytes.MinRead))
	if _, err := body.ReadFrom(r.Body); err != nil {
		return // the client went away
	}
	w.Header().Set("Content-Type", "application/json")
	switch {
	case strings.HasPrefix(r.URL.Path, "/_bulk"):
		n := bytes.Count(body.Bytes(), []byte("\n")) / 2
		t.mu.Lock()
		if t.items += n; !t.forgets {
			t.bodies = append(t.bodies, body.Bytes())
		}
		t.mu.Unlock()
		_, _ = io.WriteString(w, `{"errors":false,"items":[`+strings.TrimSuffix(strings.Repeat(`{"index":{"status":201}},`, n), ",")+`]}`)
	case r.Method == http.MethodGet && strings.Contains(r.URL.Path, "/_doc/"):
		http.Error(w, `{"found":false}`, http.StatusNotFound)
	default:
		_, _ = io.WriteString(w, `{"hits":{"hits":[]},"_shards":{"total":0}}`)
	}
}

// record is what muster sends when it follows a lake into an empty OpenSearch.
func record(ctx context.Context, l *lake.Lake) (*tape, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	t := &tape{}
	server := &http.Server{Handler: t, ReadHeaderTimeout: time.Minute}
	go func() { _ = server.Serve(listener) }() // ends with Close
	s, err := opensearch.Open(opensearch.Options{Address: opensearch.Address{URL: "http://" + listener.Addr().String()}})
	if err != nil {
		return nil, errors.Join(err, server.Close())
	}
	_, err = s.CatchUp(ctx, l)
	return t, errors.Join(err, s.Close(), server.Close())
}

// loadBare sends bodies as they are: no more than an engine can be asked for.
func loadBare(ctx context.Context, url string, bodies [][]byte) (time.Duration, error) {
	transport := &http.Transport{MaxIdleConnsPerHost: bulkWorkers}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(bulkWorkers)
	start := time.Now()
	for _, body := range bodies {
		g.Go(func() error { return postBulk(ctx, client, url, body) })
	}
	err := g.Wait()
	return time.Since(start), err
}

func postBulk(ctx context.Context, client *http.Client, url string, body []byte) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url+"/_bulk?filter_path=errors,items.*.error", bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/x-ndjson")
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK || !bytes.Contains(answer, []byte(`"errors":false`)) {
		return fmt.Errorf("%s: %.500s", resp.Status, answer)
	}
	return nil
}
