// Package trino runs statements on a Trino, the engine of Athena, by its REST
// protocol: a POST of the statement, then a GET of each next page until there
// is none.
package trino

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// Client speaks to one Trino. Safe for concurrent use; the zero value of all
// but URL is good.
type Client struct {
	URL             string // "http://127.0.0.1:8080"
	User            string // "" means "muster"
	Catalog, Schema string // what unqualified names mean; "" leaves it to Trino
	HTTP            *http.Client
}

// Result is a statement's whole answer.
type Result struct {
	Columns []Column
	Rows    [][]any // strings, json.Number, bool, nil, []any and map[string]any
	Stats   Stats
	// UpdateType is "CREATE TABLE", "INSERT" and the like; "" for a query.
	UpdateType string
	// UpdateCount is how many rows were written; nil where Trino tells none.
	UpdateCount *int64
}

// Column is a column of a result. Type is Trino's spelling with parameters:
// "timestamp(6)", "map(varchar, varchar)"; Signature is the same in parts.
type Column struct {
	Name      string    `json:"name"`
	Type      string    `json:"type"`
	Signature Signature `json:"typeSignature"`
}

// Stats is what a statement took so far.
type Stats struct {
	State              string `json:"state"`
	QueuedMillis       int64  `json:"queuedTimeMillis"`
	ElapsedMillis      int64  `json:"elapsedTimeMillis"`
	PlanningMillis     int64  `json:"planningTimeMillis"`
	ProcessedRows      int64  `json:"processedRows"`
	ProcessedBytes     int64  `json:"processedBytes"`
	PhysicalInputBytes int64  `json:"physicalInputBytes"` // read from storage, as stored
	CompletedSplits    int64  `json:"completedSplits"`
}

// Error is a statement that Trino refused or gave up.
type Error struct {
	Message  string   `json:"message"`
	Name     string   `json:"errorName"` // "TABLE_NOT_FOUND"
	Type     string   `json:"errorType"` // "USER_ERROR"
	Location Location `json:"errorLocation"`
}

// Location is a place in a statement's text; zero where it has none.
type Location struct {
	Line   int `json:"lineNumber"`
	Column int `json:"columnNumber"`
}

func (e *Error) Error() string { return e.Name + ": " + e.Message }

// page is one answer of the protocol.
type page struct {
	ID         string   `json:"id"`
	Next       string   `json:"nextUri"`
	Columns    []Column `json:"columns"`
	Data       [][]any  `json:"data"`
	Stats      Stats    `json:"stats"`
	Error      *Error   `json:"error"`
	UpdateType string   `json:"updateType"`
	Updated    *int64   `json:"updateCount"`
}

// Run runs a statement to its end. When ctx ends before it, or watch objects,
// the statement is cancelled. watch, which may be nil, sees the statistics of
// each page. A statement that fails is an *Error, and the result then has the
// statistics only.
func (c *Client) Run(ctx context.Context, sql string, watch func(Stats) error) (Result, error) {
	var result Result
	p, err := c.request(ctx, http.MethodPost, strings.TrimSuffix(c.URL, "/")+"/v1/statement", sql)
	for {
		if err != nil {
			return result, err
		}
		result.Stats = p.Stats
		if p.Error != nil {
			return result, p.Error
		}
		if p.Columns != nil {
			result.Columns = p.Columns
		}
		if p.UpdateType != "" {
			result.UpdateType = p.UpdateType
		}
		if p.Updated != nil {
			result.UpdateCount = p.Updated
		}
		result.Rows = append(result.Rows, p.Data...)
		if watch != nil {
			err = watch(p.Stats)
		}
		if p.Next == "" {
			return result, err
		}
		next := p.Next
		if err == nil {
			p, err = c.request(ctx, http.MethodGet, next, "")
		}
		if err != nil {
			return result, errors.Join(err, c.cancel(ctx, next))
		}
	}
}

// cancelTimeout bounds the cancelling of a statement whose context has ended.
const cancelTimeout = 5 * time.Second

func (c *Client) cancel(ctx context.Context, next string) error {
	ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), cancelTimeout)
	defer stop()
	_, err := c.request(ctx, http.MethodDelete, next, "")
	return err
}

// busyPause is before a request that Trino was too busy for is sent again; the
// protocol asks for 50 to 100 ms.
const busyPause = 100 * time.Millisecond

// request sends one request of the protocol, again while Trino is too busy.
func (c *Client) request(ctx context.Context, method, url, body string) (page, error) {
	for {
		status, answer, err := c.send(ctx, method, url, body)
		switch {
		case err != nil:
			return page{}, fmt.Errorf("ask Trino: %w", err)
		case status == http.StatusNoContent:
			return page{}, nil
		case status == http.StatusOK:
			var p page
			d := json.NewDecoder(bytes.NewReader(answer))
			d.UseNumber()
			if err := d.Decode(&p); err != nil {
				return page{}, fmt.Errorf("read Trino's answer: %w", err)
			}
			return p, nil
		case status != http.StatusServiceUnavailable && status != http.StatusBadGateway && status != http.StatusGatewayTimeout:
			return page{}, fmt.Errorf("trino answers %d: %.200s", status, answer)
		}
		select {
		case <-ctx.Done():
			return page{}, ctx.Err()
		case <-time.After(busyPause):
		}
	}
}

func (c *Client) send(ctx context.Context, method, url, body string) (int, []byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	user := c.User
	if user == "" {
		user = "muster"
	}
	req.Header.Set("X-Trino-User", user)
	req.Header.Set("X-Trino-Time-Zone", "UTC")
	// Without it times are cut to milliseconds and types lose their parameters.
	req.Header.Set("X-Trino-Client-Capabilities", "PARAMETRIC_DATETIME")
	if c.Catalog != "" {
		req.Header.Set("X-Trino-Catalog", c.Catalog)
	}
	if c.Schema != "" {
		req.Header.Set("X-Trino-Schema", c.Schema)
	}
	client := c.HTTP
	if client == nil {
		client = http.DefaultClient
	}
	resp, err := client.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	return resp.StatusCode, answer, err
}
