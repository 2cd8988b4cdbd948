package localaws

import (
	"context"
	"crypto/md5"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// hidden is what CloudTrail shows in place of a message's content.
const hidden = "HIDDEN_DUE_TO_SECURITY_REASONS"

// messageAttribute is one typed attribute; exactly one value is set.
type messageAttribute struct {
	DataType    string
	StringValue *string `json:",omitempty"`
	BinaryValue []byte  `json:",omitempty"`
}

type sendInput struct {
	QueueURL         string `json:"QueueUrl"`
	Body             string `json:"MessageBody"`
	DelaySeconds     *int
	Attributes       map[string]messageAttribute `json:"MessageAttributes"`
	SystemAttributes map[string]messageAttribute `json:"MessageSystemAttributes"`
}

// send queues a message. Its trace header is the system attribute's, or else
// that of the request, as SQS does it.
func (qs *queues) send(_ context.Context, c *call) (any, error) {
	var in sendInput
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	params := map[string]any{"queueUrl": in.QueueURL, "messageBody": hidden}
	c.record(params, nil)
	q, err := qs.find(c, in.QueueURL)
	if err != nil {
		return nil, err
	}
	answer, err := qs.put(c, q, in)
	if err != nil {
		return nil, err
	}
	c.record(params, map[string]any{"messageId": answer.MessageID, "mD5OfMessageBody": answer.Body})
	return answer, nil
}

// put queues the message of a request or of one of its entries.
func (qs *queues) put(c *call, q *queue, in sendInput) (sendAnswer, error) {
	if len(in.Body) == 0 || len(in.Body) > maxMessage {
		return sendAnswer{}, failf("InvalidParameterValue", "A message must have from 1 to %d bytes, not %d.", maxMessage, len(in.Body))
	}
	m := &message{
		id: newUUID(), body: in.Body, attributes: in.Attributes, trace: c.Trace,
		sender: c.Identity.PrincipalID, sent: c.Time,
	}
	if header := in.SystemAttributes["AWSTraceHeader"].StringValue; header != nil {
		m.trace = *header
	}
	delay, err := duration("DelaySeconds", in.DelaySeconds)
	if err != nil {
		return sendAnswer{}, err
	}
	return sendAnswer{
		MessageID: m.id, Body: md5Hex(in.Body),
		Attributes: attributesMD5(in.Attributes), SystemAttributes: attributesMD5(in.SystemAttributes),
	}, q.add(m, delay)
}

type sendAnswer struct {
	MessageID        string `json:"MessageId"`
	Body             string `json:"MD5OfMessageBody"`
	Attributes       string `json:"MD5OfMessageAttributes,omitempty"`
	SystemAttributes string `json:"MD5OfMessageSystemAttributes,omitempty"`
}

type receiveInput struct {
	QueueURL             string `json:"QueueUrl"`
	MaxNumberOfMessages  *int
	VisibilityTimeout    *int
	WaitTimeSeconds      *int
	AttributeNames       []string
	SystemAttributeNames []string `json:"MessageSystemAttributeNames"`
	MessageAttributes    []string `json:"MessageAttributeNames"`
}

// maxReceive is how many messages one call receives or deletes.
const maxReceive = 10

func (qs *queues) receive(ctx context.Context, c *call) (any, error) {
	var in receiveInput
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	n := 1
	if in.MaxNumberOfMessages != nil {
		n = *in.MaxNumberOfMessages
	}
	c.record(map[string]any{"queueUrl": in.QueueURL, "maxNumberOfMessages": n}, nil)
	q, err := qs.find(c, in.QueueURL)
	if err != nil {
		return nil, err
	}
	if n < 1 || n > maxReceive {
		return nil, failf("InvalidParameterValue", "Value %d for parameter MaxNumberOfMessages is invalid.", n)
	}
	hide, err := duration("VisibilityTimeout", in.VisibilityTimeout)
	if err != nil {
		return nil, err
	}
	wait, err := duration("ReceiveMessageWaitTimeSeconds", in.WaitTimeSeconds)
	if err != nil {
		return nil, err
	}
	if qs.s.objects.tells(q.arn) {
		qs.s.deliver() // who reads of a bucket's objects looks into it
	}
	messages := []map[string]any{}
	for _, m := range q.take(ctx, n, hide, wait) {
		messages = append(messages, m.answer(in))
	}
	return map[string]any{"Messages": messages}, nil
}

// answer is a message with the attributes that were asked for.
func (m received) answer(in receiveInput) map[string]any {
	out := map[string]any{
		"MessageId": m.id, "ReceiptHandle": m.handle, "Body": m.body, "MD5OfBody": md5Hex(m.body),
	}
	system := map[string]string{
		"SenderId":                         m.sender,
		"SentTimestamp":                    strconv.FormatInt(m.sent.UnixMilli(), 10),
		"ApproximateReceiveCount":          strconv.Itoa(m.receives),
		"ApproximateFirstReceiveTimestamp": strconv.FormatInt(m.first.UnixMilli(), 10),
	}
	if m.trace != "" {
		system["AWSTraceHeader"] = m.trace
	}
	asked := slices.Concat(in.AttributeNames, in.SystemAttributeNames)
	maps.DeleteFunc(system, func(name, _ string) bool {
		return !slices.Contains(asked, "All") && !slices.Contains(asked, name)
	})
	if len(system) > 0 {
		out["Attributes"] = system
	}
	attributes := maps.Clone(m.attributes)
	maps.DeleteFunc(attributes, func(name string, _ messageAttribute) bool { return !wants(in.MessageAttributes, name) })
	if len(attributes) > 0 {
		out["MessageAttributes"] = attributes
		out["MD5OfMessageAttributes"] = attributesMD5(attributes)
	}
	return out
}

// wants reports whether an attribute is asked for: by name, by "prefix.*", or
// by "All" or ".*".
func wants(asked []string, name string) bool {
	return slices.ContainsFunc(asked, func(a string) bool {
		prefix, starred := strings.CutSuffix(a, ".*")
		return a == "All" || a == name || starred && strings.HasPrefix(name, prefix)
	})
}

// receiptHandle names one receive of one message.
type receiptHandle struct {
	message string
	receive int
}

func (h receiptHandle) String() string {
	return base64.StdEncoding.EncodeToString(fmt.Appendf(nil, "%s %d", h.message, h.receive))
}

func parseReceiptHandle(s string) (receiptHandle, error) {
	bad := &apiError{Code: "ReceiptHandleIsInvalid", Message: "The input receipt handle is invalid."}
	raw, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		return receiptHandle{}, bad
	}
	id, count, _ := strings.Cut(string(raw), " ")
	n, err := strconv.Atoi(count)
	if err != nil {
		return receiptHandle{}, bad
	}
	return receiptHandle{id, n}, nil
}

func (qs *queues) delete(_ context.Context, c *call) (any, error) {
	var in struct {
		QueueURL      string `json:"QueueUrl"`
		ReceiptHandle string
	}
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	q, err := qs.find(c, in.QueueURL)
	if err != nil {
		return nil, err
	}
	h, err := parseReceiptHandle(in.ReceiptHandle)
	if err != nil {
		return nil, err
	}
	q.remove(h)
	return nil, nil
}

func (qs *queues) deleteBatch(_ context.Context, c *call) (any, error) {
	var in struct {
		QueueURL string `json:"QueueUrl"`
		Entries  []struct {
			ID            string `json:"Id"`
			ReceiptHandle string
		}
	}
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	q, err := qs.find(c, in.QueueURL)
	if err != nil {
		return nil, err
	}
	if len(in.Entries) < 1 || len(in.Entries) > maxReceive {
		return nil, failf("TooManyEntriesInBatchRequest", "A batch has from 1 to %d entries.", maxReceive)
	}
	done, failed := []map[string]any{}, []map[string]any{}
	for _, entry := range in.Entries {
		h, err := parseReceiptHandle(entry.ReceiptHandle)
		if err != nil {
			e := asAPIError(err)
			failed = append(failed, map[string]any{"Id": entry.ID, "SenderFault": true, "Code": e.Code, "Message": e.Message})
			continue
		}
		q.remove(h)
		done = append(done, map[string]any{"Id": entry.ID})
	}
	return map[string]any{"Successful": done, "Failed": failed}, nil
}

func md5Hex(s string) string {
	sum := md5.Sum([]byte(s)) // SQS's own checksum, not a signature
	return hex.EncodeToString(sum[:])
}

// attributesMD5 is the sum that SDKs compare: by name, the lengths and bytes of
// name, type and value, with 1 before a string and 2 before bytes. "" for none.
func attributesMD5(attributes map[string]messageAttribute) string {
	if len(attributes) == 0 {
		return ""
	}
	sum := md5.New()
	for _, name := range slices.Sorted(maps.Keys(attributes)) {
		a := attributes[name]
		writeSized(sum, []byte(name))
		writeSized(sum, []byte(a.DataType))
		if a.StringValue != nil {
			sum.Write([]byte{1})
			writeSized(sum, []byte(*a.StringValue))
		} else {
			sum.Write([]byte{2})
			writeSized(sum, a.BinaryValue)
		}
	}
	return hex.EncodeToString(sum.Sum(nil))
}

// writeSized writes four bytes of length, most significant first, and the bytes.
func writeSized(h hash.Hash, b []byte) {
	h.Write(binary.BigEndian.AppendUint32(nil, uint32(len(b))))
	h.Write(b)
}
