package localaws

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/hex"
	"strings"
)

// Ids come from crypto/rand, never from the seed: evidence of two runs with one
// seed must not be taken for the same evidence. Reading never fails.

// newUUID is a random UUID, version 4.
func newUUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:])
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	s := hex.EncodeToString(b[:])
	return s[:8] + "-" + s[8:12] + "-" + s[12:16] + "-" + s[16:20] + "-" + s[20:]
}

// newHex is n random hex digits.
func newHex(n int) string {
	b := make([]byte, (n+1)/2)
	_, _ = rand.Read(b)
	return hex.EncodeToString(b)[:n]
}

// newCode is n random capital letters and digits 2 to 7, as in access keys.
func newCode(n int) string {
	s := rand.Text()
	for len(s) < n {
		s += rand.Text()
	}
	return s[:n]
}

// newRequestID has the form that the service uses: a UUID, but 52 characters
// for DynamoDB and 16 for S3.
func newRequestID(service string) string {
	switch service {
	case "dynamodb":
		return newCode(52)
	case "s3":
		return newCode(16)
	}
	return newUUID()
}

// stableCode is the id that IAM gave to something with this name: 17 characters
// after the four of its kind, the same in every run.
func stableCode(name string) string {
	sum := sha256.Sum256([]byte(name))
	return base32.StdEncoding.EncodeToString(sum[:])[:17]
}

// lowerCode is n lower-case letters and digits that go with a name, the same in
// every run.
func lowerCode(name string, n int) string {
	sum := sha256.Sum256([]byte(name))
	return strings.ToLower(base32.StdEncoding.EncodeToString(sum[:]))[:n]
}
