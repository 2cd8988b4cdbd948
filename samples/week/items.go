package week

import (
	"strconv"

	"muster/fleet"
)

// changed takes Config's picture of a resource that a call has just written, a
// little later, and notes in the truth which call that was; "" for one that was
// there before. It returns when the picture was taken.
func (w *Week) changed(at int64, kind, id, name, full, request, configuration, relationships string) (captured int64) {
	return w.supplemented(at, kind, id, name, full, request, configuration, relationships, "")
}

// found says that a resource was there before the days began.
func (w *Week) found(kind, id string) {
	if w.discovered == nil {
		w.discovered = make(map[string]int64)
	}
	if w.discovered[kind+"/"+id] == 0 {
		w.discovered[kind+"/"+id] = w.from - day
	}
}

// supplemented is changed with what Config keeps beside the configuration.
func (w *Week) supplemented(at int64, kind, id, name, full, request, configuration, relationships, supplementary string) (captured int64) {
	if w.discovered == nil {
		w.discovered = make(map[string]int64)
	}
	status, key := "OK", kind+"/"+id
	created, known := w.discovered[key]
	if !known {
		status, created = "ResourceDiscovered", at
		w.discovered[key] = at
	}
	if request != "" {
		w.truth.small.Change(fleet.ResourceName(kind, name), request)
	}
	captured = at + second/2 + w.random.upTo(90*second)
	w.picture(captured, created, kind, id, name, full, status, configuration, relationships, supplementary)
	return captured
}

// picture writes one configuration item, as Config's files in S3 spell it.
func (w *Week) picture(captured, created int64, kind, id, name, full, status, configuration, relationships, supplementary string) {
	const stamp = "2006-01-02T15:04:05.000Z"
	w.lastState = max(w.lastState+1, captured/1000)
	b := w.items
	if len(b) > 0 {
		b = append(b, ",\n"...)
	}
	b = append(b, `{"configurationItemVersion":"1.3","awsAccountId":"`+account+`","awsRegion":"`+region+
		`","availabilityZone":"Not Applicable","configurationItemCaptureTime":"`...)
	b = clock(captured).AppendFormat(b, stamp)
	b = append(b, `","resourceCreationTime":"`...)
	b = clock(created).AppendFormat(b, stamp)
	b = append(append(b, `","configurationItemStatus":"`...), status...)
	b = strconv.AppendInt(append(b, `","configurationStateId":"`...), w.lastState, 10)
	if full != "" {
		b = append(append(b, `","ARN":"`...), full...)
	}
	b = append(append(b, `","resourceType":"`...), kind...)
	b = append(append(b, `","resourceId":"`...), id...)
	if name != "" {
		b = append(append(b, `","resourceName":"`...), name...)
	}
	b = append(append(b, `","tags":{},"relationships":[`...), relationships...)
	b = append(append(b, `],"configuration":`...), configuration...)
	b = append(append(b, `,"supplementaryConfiguration":{`...), supplementary...)
	b = append(b, "}}"...)
	w.items = b
	w.truth.records++
}
