package localaws

import (
	"context"
	"slices"
)

// sendBatch is SendMessageBatch: each entry is sent or refused by itself.
func (qs *queues) sendBatch(ctx context.Context, c *call) (any, error) {
	var in struct {
		QueueURL string `json:"QueueUrl"`
		Entries  []struct {
			ID string `json:"Id"`
			sendInput
		}
	}
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	c.record(map[string]any{"queueUrl": in.QueueURL, "entries": len(in.Entries)}, nil)
	q, err := qs.find(c, in.QueueURL)
	if err != nil {
		return nil, err
	}
	switch n := len(in.Entries); {
	case n < 1:
		return nil, failf("EmptyBatchRequest", "There should be at least one SendMessageBatchRequestEntry in the request.")
	case n > maxReceive:
		return nil, failf("TooManyEntriesInBatchRequest", "Maximum number of entries per request are %d. You have sent %d.", maxReceive, n)
	}
	done, failed, ids := []sentEntry{}, []map[string]any{}, []string{}
	for _, entry := range in.Entries {
		if slices.Contains(ids, entry.ID) {
			return nil, failf("BatchEntryIdsNotDistinct", "Id %s repeated.", entry.ID)
		}
		ids = append(ids, entry.ID)
		sent, err := qs.put(c, q, entry.sendInput)
		if err != nil {
			e := asAPIError(err)
			failed = append(failed, map[string]any{"Id": entry.ID, "SenderFault": true, "Code": e.Code, "Message": e.Message})
			continue
		}
		done = append(done, sentEntry{entry.ID, sent})
	}
	return map[string]any{"Successful": done, "Failed": failed}, ctx.Err()
}

type sentEntry struct {
	ID string `json:"Id"`
	sendAnswer
}
