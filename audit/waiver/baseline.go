package waiver

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"

	"muster/fleet"
)

// Baseline are the findings that were there when somebody began to look, by
// fingerprint.
type Baseline map[string]bool

// maxLine bounds a line of a baseline: a finding with its evidence has a few KB.
const maxLine = 1 << 20

// nothing is the whole of a baseline of an audit that found nothing. A file with
// nothing in it is no baseline: it may be what is left of one.
const nothing = `{"findings":0}`

// WriteBaseline writes the findings that are known, each by what write prints.
func WriteBaseline(w io.Writer, fs []fleet.Finding, write func(io.Writer, []fleet.Finding) error) error {
	if len(fs) == 0 {
		_, err := fmt.Fprintln(w, nothing)
		return err
	}
	return write(w, fs)
}

// ReadBaseline reads findings, one JSON object a line, as the audit prints them.
func ReadBaseline(file string, r io.Reader) (Baseline, error) {
	b := Baseline{}
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxLine)
	n, clean := 0, false
	for lines.Scan() {
		n++
		if len(bytes.TrimSpace(lines.Bytes())) == 0 {
			continue
		}
		if lines.Text() == nothing {
			clean = true
			continue
		}
		var f struct {
			Fingerprint string `json:"fingerprint"`
		}
		if err := json.Unmarshal(lines.Bytes(), &f); err != nil {
			return nil, &Problem{file, n, "is no finding in JSON: " + err.Error(), "write a baseline with --write-baseline"}
		}
		if f.Fingerprint == "" {
			return nil, &Problem{file, n, "a finding without fingerprint", "write a baseline with --write-baseline"}
		}
		b[f.Fingerprint] = true
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("read baseline %s, line %d: %w", file, n+1, err)
	}
	if len(b) == 0 && !clean {
		return nil, &Problem{file, 0, "is empty, which is no baseline", "write one with --write-baseline, or leave --baseline out"}
	}
	return b, nil
}

// Has reports whether a finding is none of today's. One that was put right and
// has come back is, whatever the baseline says.
func (b Baseline) Has(f *fleet.Finding) bool {
	return b[f.Fingerprint] && f.Status != fleet.StatusReopened
}
