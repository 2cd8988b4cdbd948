package waiver

import (
	"bufio"
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

// ReadBaseline reads findings, one JSON object a line, as the audit prints them.
func ReadBaseline(file string, r io.Reader) (Baseline, error) {
	b := Baseline{}
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxLine)
	n := 0
	for lines.Scan() {
		n++
		if len(lines.Bytes()) == 0 {
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
	return b, nil
}

// Has reports whether a finding is none of today's. One that was put right and
// has come back is, whatever the baseline says.
func (b Baseline) Has(f *fleet.Finding) bool {
	return b[f.Fingerprint] && f.Status != fleet.StatusReopened
}
