package localaws

import (
	"encoding/json"
	"slices"
	"strconv"
)

// redrive is where a queue's messages go that were received too often.
type redrive struct {
	Target string `json:"deadLetterTargetArn"`
	// Most is how often a message may be received; SQS takes a number or its text.
	Most json.RawMessage `json:"maxReceiveCount"`
}

// redrive reads the queue's redrive policy; nil without one. The caller holds mu.
func (q *queue) redrive() (target string, most int) {
	var r redrive
	if json.Unmarshal([]byte(q.settings["RedrivePolicy"]), &r) != nil {
		return "", 0
	}
	text := string(r.Most)
	if unquoted, err := strconv.Unquote(text); err == nil {
		text = unquoted
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		return "", 0
	}
	return r.Target, n
}

// bury moves the visible messages that were received as often as the redrive
// policy allows to the dead-letter queue, where their counts start again. SQS
// does that when they would be handed out once more. Without such a queue they
// stay. The caller holds mu.
func (q *queue) bury(spent func(*message) bool) {
	target, most := q.redrive()
	if most == 0 || q.others == nil {
		return
	}
	dead := q.others(target)
	if dead == nil || dead == q {
		return
	}
	q.messages = slices.DeleteFunc(q.messages, func(m *message) bool {
		if m.receives < most || !spent(m) {
			return false
		}
		moved := *m
		return dead.add(&moved, 0) == nil
	})
}
