package notify

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Webhook posts to an address as Slack's incoming webhooks take it: JSON with the
// text under "text". The address is a secret and stands in no error or log.
type Webhook struct {
	client *http.Client
	url    string
	name   string
}

// webhookTimeout bounds one post; Slack answers within a second.
const webhookTimeout = 30 * time.Second

// NewWebhook is a webhook at an address: https, or http on this machine. The
// transport is the default one when it is nil.
func NewWebhook(address string, transport http.RoundTripper) (*Webhook, error) {
	u, err := url.Parse(strings.TrimSpace(address))
	if err != nil || u.Host == "" {
		return nil, errors.New("the webhook's address is no URL (it is not printed, as it is a secret)")
	}
	if local := u.Hostname() == "localhost" || u.Hostname() == "127.0.0.1" || u.Hostname() == "::1"; u.Scheme != "https" && (u.Scheme != "http" || !local) {
		return nil, fmt.Errorf("the webhook at %s needs https: its address is a secret", u.Hostname())
	}
	h := sha256.Sum256([]byte(u.String()))
	return &Webhook{
		url: u.String(), name: "webhook " + u.Hostname() + " " + hex.EncodeToString(h[:4]),
		client: &http.Client{Transport: transport, Timeout: webhookTimeout, CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse // whoever is there is not whom the secret is for
		}},
	}, nil
}

// Name has the host and a hash that tells addresses apart.
func (w *Webhook) Name() string { return w.name }

// slackText is where Slack cuts a text.
const slackText = 39_000

// attempts is how often a post is tried when the receiver is busy or away.
const attempts = 3

// Send posts one message. A receiver that asks to wait is waited for.
func (w *Webhook) Send(ctx context.Context, m Message) error {
	text := "*" + slackEscape(m.Title) + "*\n" + slackEscape(m.Text)
	for len(text) > slackText {
		text = strings.ToValidUTF8(text[:slackText], "")
	}
	body, err := json.Marshal(map[string]string{"text": text})
	if err != nil {
		return err
	}
	for try := 1; ; try++ {
		wait, err := w.post(ctx, body, m.Key)
		if err == nil || wait < 0 || try == attempts {
			return err
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		case <-timer.C:
		}
	}
}

// slackEscape takes away the three characters by which Slack knows mentions and links.
func slackEscape(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(s)
}

// longestWait bounds what a receiver may ask to wait; the next run tries again.
const longestWait = 30 * time.Second

// post sends once. After an error it says how long to wait before the next try,
// less than zero for none.
func (w *Webhook) post(ctx context.Context, body []byte, key string) (time.Duration, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.url, bytes.NewReader(body))
	if err != nil {
		return -1, errors.New("the webhook's address is no URL")
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Idempotency-Key", key)
	resp, err := w.client.Do(req)
	if err != nil {
		if u, ok := errors.AsType[*url.Error](err); ok {
			err = u.Err // url.Error prints the address
		}
		return time.Second, fmt.Errorf("post: %w", err)
	}
	defer resp.Body.Close()
	_, _ = io.CopyN(io.Discard, resp.Body, 1<<16) // so that the connection can be used again
	switch {
	case resp.StatusCode < 300:
		return 0, nil
	case resp.StatusCode == http.StatusTooManyRequests || resp.StatusCode >= 500:
		seconds, err := strconv.Atoi(resp.Header.Get("Retry-After"))
		if err != nil || seconds < 0 {
			seconds = 1
		}
		return min(time.Duration(seconds)*time.Second, longestWait), fmt.Errorf("post: %s", resp.Status)
	}
	return -1, fmt.Errorf("post: %s", resp.Status)
}
