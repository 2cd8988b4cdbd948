package sigma

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"unicode/utf16"
)

var errWildcard = errors.New("a text with wildcards cannot be encoded")

// encode applies the modifiers that change a text, in their order. The texts
// that it gives are alternatives.
func (f *field) encode(g glob) ([]glob, error) {
	gs := []glob{g}
	for _, m := range f.modifiers {
		if m == "windash" {
			for i := range gs {
				gs[i] = gs[i].dashes()
			}
			continue
		}
		encode := encoders[m]
		if encode == nil {
			continue
		}
		var out []glob
		for _, g := range gs {
			plain, ok := g.plain()
			if !ok {
				if wide := wides[m]; wide != nil {
					out = append(out, g.mapped(wide))
					continue
				}
				return nil, errWildcard
			}
			for _, s := range encode(plain) {
				out = append(out, glob{{text: s}})
			}
		}
		gs = out
	}
	return gs, nil
}

// wides encode each letter alone, so that wildcards may stand between.
var wides = map[string]func(string) string{
	"wide":    func(s string) string { return wide(s, binary.LittleEndian) },
	"utf16le": func(s string) string { return wide(s, binary.LittleEndian) },
	"utf16be": func(s string) string { return wide(s, binary.BigEndian) },
}

// mapped is the glob with its literal pieces changed.
func (g glob) mapped(change func(string) string) glob {
	out := make(glob, len(g))
	for i, p := range g {
		if out[i] = p; p.wild == 0 {
			out[i].text = change(p.text)
		}
	}
	return out
}

var encoders = map[string]func(string) []string{
	"base64":       func(s string) []string { return []string{base64.StdEncoding.EncodeToString([]byte(s))} },
	"base64offset": base64offset,
	"wide":         func(s string) []string { return []string{wide(s, binary.LittleEndian)} },
	"utf16le":      func(s string) []string { return []string{wide(s, binary.LittleEndian)} },
	"utf16be":      func(s string) []string { return []string{wide(s, binary.BigEndian)} },
	"utf16":        func(s string) []string { return []string{"\xff\xfe" + wide(s, binary.LittleEndian)} },
}

// base64offset is what of a text stays the same in the base64 of a longer one,
// for each of the three places in a group of three bytes where it may begin.
func base64offset(s string) []string {
	var out []string
	for shift := range 3 {
		e := base64.StdEncoding.EncodeToString(append(make([]byte, shift), s...))
		// The characters that also hold bits of what stands before and behind.
		from := [3]int{0, 2, 3}[shift]
		to := len(e) - [3]int{0, 3, 2}[(len(s)+shift)%3]
		if from < to {
			out = append(out, e[from:to])
		}
	}
	return out
}

func wide(s string, order binary.AppendByteOrder) string {
	var out []byte
	for _, u := range utf16.Encode([]rune(s)) {
		out = order.AppendUint16(out, u)
	}
	return string(out)
}
