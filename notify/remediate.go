package notify

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"golang.org/x/time/rate"

	"muster/fleet"
)

// A Publisher hands a message to a topic once, without trying again by itself,
// and gives the id that the topic gave it. An error that wraps ErrUncertain says
// that the topic may have it all the same.
type Publisher interface {
	Publish(ctx context.Context, topic string, key string, body []byte) (messageID string, err error)
}

// ErrUncertain is why a message is not sent again: the answer got lost.
var ErrUncertain = errors.New("the topic may have it")

// Remedy is what one finding's policy offers.
type Remedy struct {
	Finding fleet.Finding
	Topic   string
	Remediation
}

// Offers are the remedies of the findings that stand, by the topics that
// policies name, with how far each has come.
func (r Remedies) Offers(fs []fleet.Finding, topics map[string]string) ([]Remedy, error) {
	var out []Remedy
	for _, f := range fs {
		topic := topics[f.Policy]
		if topic == "" || !stands(&f) {
			continue
		}
		m, err := r.Of(f.Fingerprint)
		if err != nil {
			return nil, err
		}
		out = append(out, Remedy{f, topic, m})
	}
	return out, nil
}

// Sender triggers what is approved.
type Sender struct {
	Publisher Publisher
	// Rate is messages a second, Most messages a run.
	Rate rate.Limit
	Most int
	Now  func() time.Time
}

// Send triggers the remedies that are approved, each once for an episode of its
// finding, and gives those that were sent. left are those beyond Most.
func (r Remedies) Send(ctx context.Context, offers []Remedy, s Sender) (sent []Remediation, left int, err error) {
	limit := rate.NewLimiter(s.Rate, 1)
	var errs []error
	for _, o := range offers {
		if o.Stage != Approved {
			continue
		}
		if o.Remediation.Topic != o.Topic {
			errs = append(errs, fmt.Errorf("finding %s: it was approved for %s, and its policy names %s now: approve it again", o.Finding.Fingerprint, o.Remediation.Topic, o.Topic))
			continue
		}
		if len(sent)+len(errs) >= s.Most {
			left++
			continue
		}
		if err := limit.Wait(ctx); err != nil {
			return sent, left, errors.Join(append(errs, err)...)
		}
		m, err := r.send(ctx, o.Finding.Fingerprint, s)
		switch {
		case errors.Is(err, errTaken):
		case err != nil:
			errs = append(errs, fmt.Errorf("trigger the remedy of finding %s: %w", o.Finding.Fingerprint, err))
		default:
			sent = append(sent, m)
		}
	}
	return sent, left, errors.Join(errs...)
}

// errTaken says that another program sends it.
var errTaken = errors.New("taken")

// send takes the approval, so that nobody else can, and publishes.
func (r Remedies) send(ctx context.Context, id string, s Sender) (Remediation, error) {
	if err := r.move(id, Approved, Sending); errors.Is(err, fs.ErrNotExist) {
		return Remediation{}, errTaken
	} else if err != nil {
		return Remediation{}, err
	}
	m, err := read(r.path(id, Sending))
	if err != nil {
		return m, err
	}
	m.Stage, m.Claimed = Sending, s.Now().UTC()
	if m.Message, err = m.body(); err != nil {
		return m, err
	}
	if err := r.write(id, &m); err != nil {
		return m, err
	}
	m.MessageID, err = s.Publisher.Publish(ctx, m.Topic, m.Key, m.Message)
	if err != nil {
		m.Failures = append(m.Failures, Failure{s.Now().UTC(), err.Error()})
		if errors.Is(err, ErrUncertain) {
			return m, errors.Join(err, r.write(id, &m))
		}
		return m, errors.Join(err, r.write(id, &m), r.move(id, Sending, Approved)) // the next run tries again
	}
	m.Sent = s.Now().UTC()
	return m, r.triggered(id, &m)
}

// triggered keeps what was sent. The record under the old name goes last: what
// has both was sent.
func (r Remedies) triggered(id string, m *Remediation) error {
	m.Stage = Triggered
	if err := r.write(id, m); err != nil {
		return fmt.Errorf("message %s was sent, but not recorded: %w", m.MessageID, err)
	}
	return r.remove(id, Sending)
}
