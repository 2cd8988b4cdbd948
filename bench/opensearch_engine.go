package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"muster/stores/opensearch"
)

// empty deletes all documents and puts the templates.
func (b *openSearchBench) empty(ctx context.Context) error {
	if _, err := b.ask(ctx, http.MethodDelete, "/"+ownIndices); err != nil {
		return err
	}
	s, err := b.open()
	if err != nil {
		return err
	}
	return errors.Join(s.Setup(ctx, opensearch.SetupOptions{}, func(string, opensearch.Action) {}), s.Close())
}

func (b *openSearchBench) open() (*opensearch.Store, error) {
	return opensearch.Open(opensearch.Options{Address: opensearch.Address{URL: b.url}})
}

// holds reports whether the engine has every record of the corpus. The service
// map is left aside: the edges under a name that a trace had only until its root
// came depend on what was known when.
func (b *openSearchBench) holds(ctx context.Context) error {
	want := max(1, b.records/recordsPerTrace) * recordsPerTrace
	if _, err := b.ask(ctx, http.MethodPost, "/"+ownIndices+"/_refresh"); err != nil {
		return err
	}
	text, err := b.ask(ctx, http.MethodGet, "/"+ownIndices+",-muster-state*,-otel-v1-apm-service-map*/_count")
	if err != nil {
		return err
	}
	var answer struct {
		Count int `json:"count"`
	}
	if err := json.Unmarshal(text, &answer); err != nil {
		return err
	}
	if answer.Count != want {
		where, err := b.ask(ctx, http.MethodGet, "/_cat/indices/"+ownIndices+"?h=index,docs.count")
		return errors.Join(fmt.Errorf("%d documents are there and %d were sent:\n%s", answer.Count, want, where), err)
	}
	return nil
}

// refresh says how often the engine makes documents visible. By itself it does so
// each second in an index's first half minute, and by then skips those for which it
// had no time: the side that happens to have more of them has up to a quarter more
// work of flushing and merging, and which one that is is chance.
func (b *openSearchBench) refresh(ctx context.Context) error {
	_, err := b.send(ctx, http.MethodPut, "/_cluster/settings", `{"transient":{"cluster.default.index.refresh_interval":"`+b.interval+`"}}`)
	return err
}

// settle waits until no node merges anything any more: what was just loaded is
// merged for minutes, on the cores that are to answer.
func (b *openSearchBench) settle(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, longestMerge, fmt.Errorf("the engine still merges after %v", longestMerge))
	defer cancel()
	start := time.Now()
	for quiet := 0; quiet < quietLooks; {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(time.Second):
		}
		text, err := b.ask(ctx, http.MethodGet, "/_cat/nodes?h=merges.current")
		if err != nil {
			return err
		}
		if quiet++; strings.Trim(string(text), "0 \n") != "" {
			quiet = 0
		}
	}
	fmt.Fprintf(b.out, "the engine had merged what it was given %s later\n", time.Since(start).Round(time.Second))
	return nil
}

// longestMerge is how long is waited for merges.
const longestMerge = 20 * time.Minute

// quietLooks are how many seconds in a row nothing is merged.
const quietLooks = 5

func (b *openSearchBench) ask(ctx context.Context, method, path string) ([]byte, error) {
	return b.send(ctx, method, path, "")
}

func (b *openSearchBench) send(ctx context.Context, method, path, body string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, b.url+path, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode >= http.StatusMultipleChoices {
		err = fmt.Errorf("%s %s: %s: %.300s", method, path, resp.Status, text)
	}
	return text, err
}
