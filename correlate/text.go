package correlate

import (
	"encoding/binary"
	"encoding/hex"
	"strconv"
	"strings"
)

// text is the number of a string in texts, together with its form. 0 is "".
// Equal strings have one form, so that their cells are equal.
type text uint32

// form is how a string is kept. AWS's ids have few shapes, and take a half or a
// third of their letters.
type form uint8

const (
	formNone   form = iota
	formSpan        // 16 hex digits after the entry's own trace id and a slash
	formUUID        // lower case
	formHex         // 32 lower-case hex digits
	formLog         // "log-" and 32 hex digits: a line whose source gives it no id
	formDigits      // 56 decimal digits: CloudWatch Logs' event ids
	form7           // any up to so many bytes
	form15
	form23
	form39
	form55
	form127
	formLong // a Go string
	forms    = int(formLong) + 1
)

const (
	formShift = 28
	cellMask  = 1<<formShift - 1
	maxWords  = 16
)

func (t text) form() form   { return form(t >> formShift) }
func (t text) cell() uint32 { return uint32(t) & cellMask }

// cellWords is the length of a form's cells in 8 bytes.
var cellWords = [forms]int{formSpan: 1, formUUID: 2, formHex: 2, formLog: 2, formDigits: 3, form7: 1, form15: 2, form23: 3, form39: 5, form55: 7, form127: maxWords}

// code is a string in its form.
type code struct {
	form  form
	words [maxWords]uint64
	long  string // of formLong
}

// nibbles has the value of each lower-case hex digit, and 0xff for all else.
var nibbles = func() (n [256]uint8) {
	for i := range n {
		n[i] = 0xff
	}
	for i, c := range []byte("0123456789abcdef") {
		n[c] = uint8(i)
	}
	return n
}()

// hexWord reads hex digits, 16 at the most.
func hexWord(s string) (w uint64, ok bool) {
	bad := uint8(0)
	for i := range len(s) {
		n := nibbles[s[i]]
		bad |= n
		w = w<<4 | uint64(n&0xf)
	}
	return w, bad < 16
}

// set puts s into its form.
func (c *code) set(s string) {
	c.long = ""
	var ok bool
	switch len(s) {
	case 0:
		c.form = formNone
		return
	case 32:
		if c.form, ok = formHex, c.setHex(s[:16], s[16:]); ok {
			return
		}
	case 36:
		if s[:4] == "log-" {
			if c.form, ok = formLog, c.setHex(s[4:20], s[20:]); ok {
				return
			}
		} else if c.form, ok = formUUID, c.setUUID(s); ok {
			return
		}
	case 56:
		if c.form, ok = formDigits, c.setDigits(s); ok {
			return
		}
	}
	c.setPlain(s)
}

func (c *code) setHex(a, b string) (ok bool) {
	x, okX := hexWord(a)
	y, okY := hexWord(b)
	c.words[0], c.words[1] = x, y
	return okX && okY
}

func (c *code) setUUID(s string) bool {
	if s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' {
		return false
	}
	p, okP := hexWord(s[:8])
	q, okQ := hexWord(s[9:13])
	r, okR := hexWord(s[14:18])
	t, okT := hexWord(s[19:23])
	u, okU := hexWord(s[24:])
	c.words[0], c.words[1] = p<<32|q<<16|r, t<<48|u
	return okP && okQ && okR && okT && okU
}

// digitsWord is how many decimal digits a word of formDigits has: 10 to the
// 19th is less than 2 to the 64th.
const digitsWord = 19

func (c *code) setDigits(s string) bool {
	for i := range 3 {
		var w uint64
		for _, d := range []byte(s[i*digitsWord : min((i+1)*digitsWord, len(s))]) {
			if d < '0' || d > '9' {
				return false
			}
			w = w*10 + uint64(d-'0')
		}
		c.words[i] = w
	}
	return true
}

// setPlain keeps the bytes as they are, and in the last byte of the cell how
// many there are.
func (c *code) setPlain(s string) {
	c.form = form7
	for c.form < formLong && len(s) >= cellWords[c.form]*8 {
		c.form++
	}
	if c.form == formLong {
		c.long = s
		return
	}
	var b [maxWords * 8]byte
	size := cellWords[c.form] * 8
	copy(b[:], s)
	b[size-1] = uint8(len(s))
	for i := range size / 8 {
		c.words[i] = binary.BigEndian.Uint64(b[i*8:])
	}
}

// hash goes on from h.
func (c *code) hash(h uint64) uint64 {
	h = mix(h, uint64(c.form))
	for _, w := range c.words[:cellWords[c.form]] {
		h = mix(h, w)
	}
	for at := 0; at < len(c.long); at += 8 {
		var b [8]byte
		copy(b[:], c.long[at:])
		h = mix(h, binary.LittleEndian.Uint64(b[:]))
	}
	return h
}

// texts keeps strings.
type texts struct {
	cells     [maxWords + 1]cells // by words
	long      slab[string]
	longBytes int
}

// cells are slots of so many words each; 0 is none.
type cells struct {
	chunks [][]uint64
	next   uint32
	free   []uint32
}

func (x *texts) words(t text) []uint64 {
	n := cellWords[t.form()]
	i := t.cell()
	at := int(i%chunkSize) * n
	return x.cells[n].chunks[i/chunkSize][at : at+n]
}

// keep takes in a string.
func (x *texts) keep(c *code) text {
	if c.form == formNone {
		return 0
	}
	if c.form == formLong {
		i := x.long.alloc()
		*x.long.at(i) = strings.Clone(c.long) // not a part of a document
		x.longBytes += stringHeader + len(c.long)
		return text(uint32(formLong)<<formShift | i)
	}
	n := cellWords[c.form]
	k := &x.cells[n]
	var i uint32
	if last := len(k.free) - 1; last >= 0 {
		i, k.free = k.free[last], k.free[:last]
	} else {
		i = max(k.next, 1)
		k.next = i + 1
		if int(i/chunkSize) == len(k.chunks) {
			k.chunks = append(k.chunks, make([]uint64, chunkSize*n))
		}
	}
	t := text(uint32(c.form)<<formShift | i)
	copy(x.words(t), c.words[:n])
	return t
}

// drop forgets a string.
func (x *texts) drop(t text) {
	switch t.form() {
	case formNone:
	case formLong:
		x.longBytes -= stringHeader + len(*x.long.at(t.cell()))
		x.long.release(t.cell())
	default:
		k := &x.cells[cellWords[t.form()]]
		k.free = append(k.free, t.cell())
	}
}

// is reports whether a text is the string of a code.
func (x *texts) is(t text, c *code) bool {
	if t.form() != c.form {
		return false
	}
	switch c.form {
	case formNone:
		return true
	case formLong:
		return *x.long.at(t.cell()) == c.long
	}
	for i, w := range x.words(t) {
		if w != c.words[i] {
			return false
		}
	}
	return true
}

// codeOf puts a text back into a code.
func (x *texts) codeOf(t text, c *code) {
	c.form, c.long = t.form(), ""
	switch c.form {
	case formNone:
	case formLong:
		c.long = *x.long.at(t.cell())
	default:
		copy(c.words[:], x.words(t))
	}
}

// spell appends the string; of formSpan, the digits alone.
func (x *texts) spell(b []byte, t text) []byte {
	switch t.form() {
	case formNone:
		return b
	case formLong:
		return append(b, *x.long.at(t.cell())...)
	}
	w := x.words(t)
	switch t.form() {
	case formSpan:
		return hexBytes(b, w[0], 8)
	case formHex:
		return hexBytes(hexBytes(b, w[0], 8), w[1], 8)
	case formLog:
		return hexBytes(hexBytes(append(b, "log-"...), w[0], 8), w[1], 8)
	case formUUID:
		b = append(hexBytes(b, w[0]>>32, 4), '-')
		b = append(hexBytes(b, w[0]>>16, 2), '-')
		b = append(hexBytes(b, w[0], 2), '-')
		b = append(hexBytes(b, w[1]>>48, 2), '-')
		return hexBytes(b, w[1], 6)
	case formDigits:
		for i, n := range []int{digitsWord, digitsWord, 56 - 2*digitsWord} {
			var d [20]byte
			s := strconv.AppendUint(d[:0], w[i], 10)
			for range n - len(s) {
				b = append(b, '0')
			}
			b = append(b, s...)
		}
		return b
	}
	var plain [maxWords * 8]byte
	for i := range w {
		binary.BigEndian.PutUint64(plain[i*8:], w[i])
	}
	return append(b, plain[:plain[len(w)*8-1]]...)
}

// hexBytes appends the last n bytes of a word as hex digits.
func hexBytes(b []byte, w uint64, n int) []byte {
	var raw [8]byte
	binary.BigEndian.PutUint64(raw[:], w)
	return hex.AppendEncode(b, raw[8-n:])
}

// bytes is what the strings take.
func (x *texts) bytes() int {
	total := x.longBytes
	for n := range x.cells {
		k := &x.cells[n]
		total += (int(max(k.next, 1)) - 1 - len(k.free)) * n * 8
	}
	return total
}

// stringHeader is what a Go string takes beside its bytes.
const stringHeader = 16
