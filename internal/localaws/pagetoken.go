package localaws

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// pageTokenLife is how long a page token can be used, as FilterLogEvents
// states it; the other services state nothing.
const pageTokenLife = 24 * time.Hour

var errPageToken = errors.New("unknown or expired page token")

// pageTokens makes the tokens of paging operations. A token carries the whole
// position, sealed, so that clients can neither read nor make one and the
// server remembers none. Safe for concurrent use.
type pageTokens struct {
	aead cipher.AEAD
	// expire says that a good token should be refused; nil is never.
	expire func() bool
}

// newPageTokens returns tokens that only this value can open.
func newPageTokens() *pageTokens {
	key := make([]byte, 16)
	_, _ = rand.Read(key) // never fails
	block, err := aes.NewCipher(key)
	if err != nil {
		panic(err) // 16 bytes are a key
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		panic(err) // so AES has blocks of 16 bytes
	}
	return &pageTokens{aead: aead}
}

type pageToken struct {
	Expires  int64 // Unix milliseconds
	Position json.RawMessage
}

// seal makes a token of a position, which must be a plain struct.
func (t *pageTokens) seal(now time.Time, position any) string {
	p, err := json.Marshal(position)
	if err == nil {
		p, err = json.Marshal(pageToken{now.Add(pageTokenLife).UnixMilli(), p})
	}
	if err != nil {
		panic(fmt.Sprintf("page position %T: %v", position, err))
	}
	return base64.RawURLEncoding.EncodeToString(t.aead.Seal(nil, nil, p, nil))
}

// open reads a token into the position that it was made of, or returns
// errPageToken and leaves the position as it is.
func (t *pageTokens) open(now time.Time, token string, position any) error {
	sealed, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil {
		return errPageToken
	}
	plain, err := t.aead.Open(nil, nil, sealed, nil)
	if err != nil {
		return errPageToken
	}
	var p pageToken
	if err := json.Unmarshal(plain, &p); err != nil || now.UnixMilli() >= p.Expires {
		return errPageToken
	}
	if t.expire != nil && t.expire() {
		return errPageToken
	}
	return json.Unmarshal(p.Position, position)
}

// fingerprint identifies the request that a token belongs to: its parameters
// but for the token and the page's size.
func fingerprint(parameters ...any) string {
	text, err := json.Marshal(parameters)
	if err != nil {
		panic(fmt.Sprintf("request parameters: %v", err))
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:8])
}
