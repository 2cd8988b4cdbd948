package orders

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"muster/samples/faults"
	"muster/samples/queue"
	"muster/samples/telemetry"
)

// DocumentsQueue is the queue of the function that writes the papers.
const DocumentsQueue = "documents"

// Document is one paper of an order.
type Document struct {
	Order string `json:"order"`
	Kind  string `json:"kind"`
}

// kinds are the papers of an order.
var kinds = []string{"invoice", "packing-slip", "warranty"}

// papers asks for the documents of orders, a batch an order.
type papers struct {
	t      *telemetry.Telemetry
	client *sqs.Client
	url    string
	faults faults.Set
	sent   atomic.Int64
}

func openPapers(ctx context.Context, t *telemetry.Telemetry, fs faults.Set) (*papers, error) {
	url, err := queue.Open(ctx, t, DocumentsQueue, nil)
	if err != nil {
		return nil, err
	}
	return &papers{t: t, client: sqs.NewFromConfig(t.Traced), url: url, faults: fs}, nil
}

// ask sends the messages of an order in one batch. Only every other customer
// wants papers.
func (p *papers) ask(ctx context.Context, o Order) error {
	if !carriesCorrelation(o.ID) {
		return nil
	}
	in := &sqs.SendMessageBatchInput{QueueUrl: &p.url}
	for n, kind := range kinds {
		body, err := json.Marshal(Document{Order: o.ID, Kind: kind})
		if err != nil {
			return fmt.Errorf("ask for the %s of %s: %w", kind, o.ID, err)
		}
		text := string(body)
		if n == len(kinds)-1 && p.faults.Hits(faults.PoisonMessage, o.ID) {
			text = strings.TrimSuffix(text, `"}`) // cut short, as by a broken serializer
		}
		in.Entries = append(in.Entries, types.SendMessageBatchRequestEntry{
			Id: aws.String(strconv.Itoa(n)), MessageBody: &text,
			MessageSystemAttributes: map[string]types.MessageSystemAttributeValue{
				string(types.MessageSystemAttributeNameForSendsAWSTraceHeader): {
					DataType: aws.String("String"), StringValue: aws.String(p.t.Header(ctx)),
				},
			},
		})
	}
	out, err := p.client.SendMessageBatch(ctx, in)
	if err != nil {
		return fmt.Errorf("ask for the documents of %s: %w", o.ID, err)
	}
	if len(out.Failed) > 0 {
		return fmt.Errorf("ask for the documents of %s: %s", o.ID, aws.ToString(out.Failed[0].Message))
	}
	ids := make([]string, 0, len(out.Successful))
	for _, sent := range out.Successful {
		p.sent.Add(1)
		ids = append(ids, *sent.MessageId)
		err := p.t.Step(ctx, "document asked for", func(ctx context.Context) error { return p.t.Published(ctx, *sent.MessageId) })
		if err != nil {
			return err
		}
	}
	p.t.Log.InfoContext(ctx, "documents asked for", "order", o.ID, telemetry.FieldMessage+"s", ids)
	return nil
}
