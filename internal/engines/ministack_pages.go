package engines

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// Pages is a client for ministack's LookupEvents and FilterLogEvents, which
// answer with as much as fits on one page and no token for the rest. It asks as
// it is asked to, and puts a token into an answer that is full: the time of its
// last event, from which the next page starts. What happened at that very time
// comes twice. All other calls pass unchanged.
type Pages struct {
	Client interface {
		Do(*http.Request) (*http.Response, error)
	}
}

// cut is how ministack's answer to an operation is cut off, and where the rest
// of it begins.
type cut struct {
	events, token string // members of the answer, and of the request
	time          string // member of an event
	bound         string // member of the request that the next page moves
	size          int    // of a full page that is asked for without a size
}

var cuts = map[string]cut{
	"LookupEvents":    {events: "Events", token: "NextToken", time: "EventTime", bound: "EndTime", size: 50},       // newest first
	"FilterLogEvents": {events: "events", token: "nextToken", time: "timestamp", bound: "startTime", size: 10_000}, // oldest first
}

// Do sends a request.
func (p Pages) Do(req *http.Request) (*http.Response, error) {
	target := req.Header.Get("X-Amz-Target")
	c, known := cuts[target[strings.LastIndexByte(target, '.')+1:]]
	if !known {
		return p.Client.Do(req)
	}
	asked, err := c.ask(req)
	if err != nil {
		return nil, fmt.Errorf("ask ministack for a page: %w", err)
	}
	resp, err := p.Client.Do(req)
	if err != nil || resp.StatusCode != http.StatusOK {
		return resp, err
	}
	if err := c.answer(resp, asked); err != nil {
		return nil, fmt.Errorf("read a page of ministack: %w", err)
	}
	return resp, nil
}

// ask puts a token's time in its place, and returns that; "" for a first page.
func (c cut) ask(req *http.Request) (json.Number, error) {
	if req.Body == nil {
		return "", errors.New("the request has no body")
	}
	body, err := io.ReadAll(req.Body)
	if err := errors.Join(err, req.Body.Close()); err != nil {
		return "", err
	}
	var in map[string]json.RawMessage
	if err := json.Unmarshal(body, &in); err != nil {
		return "", err
	}
	var from string
	if token := in[c.token]; token != nil {
		if err := json.Unmarshal(token, &from); err != nil {
			return "", err
		}
		delete(in, c.token)
		in[c.bound] = json.RawMessage(from)
	}
	if body, err = json.Marshal(in); err != nil {
		return "", err
	}
	req.Body, req.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	return json.Number(from), nil
}

// answer adds a token to a full page.
func (c cut) answer(resp *http.Response, asked json.Number) error {
	body, err := io.ReadAll(resp.Body)
	if err := errors.Join(err, resp.Body.Close()); err != nil {
		return err
	}
	var out map[string]json.RawMessage
	if err := json.Unmarshal(body, &out); err != nil {
		return err
	}
	var events []map[string]json.RawMessage
	if err := json.Unmarshal(out[c.events], &events); err != nil {
		return err
	}
	if len(events) >= c.size {
		last := json.Number(events[len(events)-1][c.time])
		if last == asked {
			return fmt.Errorf("%d events and more at one time, %s: there is no way to the rest", len(events), last)
		}
		if out[c.token], err = json.Marshal(last.String()); err != nil {
			return err
		}
		if body, err = json.Marshal(out); err != nil {
			return err
		}
	}
	resp.Body, resp.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	resp.Header.Set("Content-Length", strconv.Itoa(len(body)))
	return nil
}
