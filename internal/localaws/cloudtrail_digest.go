package localaws

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"
)

// digestInterval is how often CloudTrail says which files it has delivered.
const digestInterval = time.Hour

// digests are what is known for the digest files of one place, which begin with
// UpdateTrail's EnableLogFileValidation. The trail's lock guards them.
type digests struct {
	since    time.Time // of the files to come
	files    []digestedFile
	previous string // key of the last digest
	sum      string // of that
}

type digestedFile struct {
	Bucket    string `json:"s3Bucket"`
	Object    string `json:"s3Object"`
	Hash      string `json:"hashValue"`
	Algorithm string `json:"hashAlgorithm"`
	Newest    string `json:"newestEventTime"`
	Oldest    string `json:"oldestEventTime"`
}

// digested notes a file that was delivered. The caller holds mu.
func (t *trail) digested(where place, now time.Time, key string, body []byte, events []recorded) {
	if !t.set.validated {
		return
	}
	oldest, newest := events[0].at, events[0].at
	for _, r := range events {
		if r.at.Before(oldest) {
			oldest = r.at
		}
		if r.at.After(newest) {
			newest = r.at
		}
	}
	if t.digests == nil {
		t.digests = make(map[place]*digests)
	}
	d := t.digests[where]
	if d == nil {
		d = &digests{since: now}
		t.digests[where] = d
	}
	sum := sha256.Sum256(body)
	d.files = append(d.files, digestedFile{
		t.bucket, key, hex.EncodeToString(sum[:]), "SHA-256", newest.UTC().Format(eventTimeFormat), oldest.UTC().Format(eventTimeFormat),
	})
}

// digest writes the digest files that are due, or all of them, beside the folders
// of the trail's files. They are not signed: there is no key to sign with. The
// caller holds mu.
func (t *trail) digest(now time.Time, everything bool) {
	for where, d := range t.digests {
		if len(d.files) == 0 || !everything && now.Sub(d.since) < digestInterval {
			continue
		}
		key := fmt.Sprintf("AWSLogs/%[5]s%[1]s/CloudTrail-Digest/%[2]s/%[3]s/%[1]s_CloudTrail-Digest_%[2]s_%[6]s_%[7]s_%[4]s.json.gz",
			where.account, where.region, now.Format("2006/01/02"), now.Format("20060102T150405Z"), t.s.organizationFolder(), trailName, t.s.region)
		body, sum, err := d.file(where, t.bucket, key, now)
		if err == nil {
			err = t.s.objects.put(t.bucket, key, body)
		}
		if err != nil {
			t.s.log.Error("a digest file cannot be written", "key", key, "err", err)
			continue
		}
		t.set.digested = now
		*d = digests{since: now, previous: key, sum: sum}
	}
}

// file is the digest's content, zipped, and the hash of what it says.
func (d *digests) file(where place, bucket, key string, now time.Time) (body []byte, sum string, err error) {
	document := map[string]any{
		"awsAccountId": where.account, "digestStartTime": d.since.UTC().Format(eventTimeFormat), "digestEndTime": now.UTC().Format(eventTimeFormat),
		"digestS3Bucket": bucket, "digestS3Object": key, "digestSignatureAlgorithm": "SHA256withRSA", "logFiles": d.files,
		"newestEventTime": d.files[len(d.files)-1].Newest, "oldestEventTime": d.files[0].Oldest,
		"previousDigestS3Bucket": nil, "previousDigestS3Object": nil, "previousDigestHashValue": nil, "previousDigestHashAlgorithm": nil, "previousDigestSignature": nil,
	}
	if d.previous != "" {
		document["previousDigestS3Bucket"], document["previousDigestS3Object"] = bucket, d.previous
		document["previousDigestHashValue"], document["previousDigestHashAlgorithm"] = d.sum, "SHA-256"
	}
	text, err := json.Marshal(document)
	if err != nil {
		return nil, "", err
	}
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write(text); err != nil {
		return nil, "", err
	}
	if err := z.Close(); err != nil {
		return nil, "", err
	}
	hash := sha256.Sum256(text)
	return b.Bytes(), hex.EncodeToString(hash[:]), nil
}
