package week

import (
	"encoding/binary"
	"encoding/hex"
	"math"
	"math/rand/v2"
	"strconv"
	"time"
)

// dice is all the chance of a week, drawn in the order of events.
type dice struct{ *rand.Rand }

// one reports true once in n.
func (d dice) one(n int) bool { return d.IntN(n) == 0 }

// upTo is from 0 to below n microseconds.
func (d dice) upTo(n int64) int64 { return d.Int64N(max(1, n)) }

// around is a log-normal time in microseconds: half are below median, and sigma
// says how far the slow ones are off. One in a thousand is slow for no reason,
// up to eight times, as on any network.
func (d dice) around(median time.Duration, sigma float64) int64 {
	x := float64(median.Microseconds()) * math.Exp(sigma*d.NormFloat64())
	if d.one(1000) {
		x *= 2 + 6*d.Float64()
	}
	return max(1, int64(x))
}

// hex is an id of an even number of digits, never zero.
func (d dice) hex(digits int) string {
	var b [16]byte
	binary.LittleEndian.PutUint64(b[:8], d.Uint64()|1)
	if digits > 16 {
		binary.LittleEndian.PutUint64(b[8:], d.Uint64())
	}
	return hex.EncodeToString(b[:digits/2])
}

func (d dice) uuid() string {
	var b [16]byte
	binary.LittleEndian.PutUint64(b[:8], d.Uint64())
	binary.LittleEndian.PutUint64(b[8:], d.Uint64())
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	var out [36]byte
	hex.Encode(out[:8], b[:4])
	hex.Encode(out[9:13], b[4:6])
	hex.Encode(out[14:18], b[6:8])
	hex.Encode(out[19:23], b[8:10])
	hex.Encode(out[24:], b[10:])
	out[8], out[13], out[18], out[23] = '-', '-', '-', '-'
	return string(out[:])
}

// letters are those of AWS's keys and of DynamoDB's request ids.
const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"

func (d dice) letters(n int) string {
	b := make([]byte, n)
	for i := 0; i < n; {
		for x, left := d.Uint64(), 12; left > 0 && i < n; left-- {
			b[i] = letters[x&31]
			x >>= 5
			i++
		}
	}
	return string(b)
}

// request is a request id in the spelling of a service.
func (d dice) request(service string) string {
	switch service {
	case "dynamodb":
		return d.letters(52)
	case "s3":
		return d.letters(16)
	}
	return d.uuid()
}

// eventID is one of CloudWatch Logs: 56 digits.
func (d dice) eventID(b []byte) []byte {
	b = append(b, "39"...)
	for range 3 {
		b = strconv.AppendUint(b, 100_000_000_000_000_000+d.Uint64N(900_000_000_000_000_000), 10)
	}
	return b
}

func base36(n int64) string { return strconv.FormatInt(n, 36) }
