package collectors

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"

	"muster/fleet"
)

// parseStreamed reads a record of Kinesis or Firehose, as GetRecords and Lambda
// functions hand it over: what a subscription sent is in it, packed.
func parseStreamed(doc []byte, o origin) ([]fleet.Record, error) {
	var e struct {
		Kinesis struct {
			Data string `json:"data"`
		} `json:"kinesis"`
		Data string `json:"data"` // of both; GetRecords spells it with a capital, which is the same to encoding/json
	}
	if err := json.Unmarshal(doc, &e); err != nil {
		return nil, fmt.Errorf("read streamed record: %w", err)
	}
	packed, err := base64.StdEncoding.DecodeString(firstOf(e.Kinesis.Data, e.Data))
	if err != nil {
		return nil, fmt.Errorf("read data of streamed record: %w", err)
	}
	rs, err := parsePacked(packed, o)
	if err != nil {
		return nil, fmt.Errorf("read data of streamed record: %w", err)
	}
	return rs, nil
}

// parsePacked reads what a subscription or a rule of EventBridge sent, gzipped or
// not, and several of them where Kinesis's producer library packed them together.
func parsePacked(packed []byte, o origin) ([]fleet.Record, error) {
	var all []fleet.Record
	for _, payload := range deaggregated(packed) {
		rs, err := parsePayload(payload, o)
		if err != nil {
			return nil, err
		}
		all = append(all, rs...)
	}
	return all, nil
}

func parsePayload(packed []byte, o origin) ([]fleet.Record, error) {
	if bytes.HasPrefix(packed, gzipMagic) {
		var err error
		if packed, err = gunzip(packed); err != nil {
			return nil, err
		}
	}
	var all []fleet.Record
	err := eachDocument(bytes.NewReader(packed), nil, func(d document) error {
		if err := checkDocument(d); err != nil {
			return err
		}
		switch d.shape {
		case shapeSubscription, shapeLogEvent, shapeTrailEvent, shapeEventBridge:
		default: // one in another would be no end
			return errors.New("neither log events nor an event of CloudTrail or EventBridge")
		}
		rs, err := parseDocument(bytes.Clone(d.body), d.shape, o)
		all = append(all, rs...)
		return err
	})
	return all, err
}
