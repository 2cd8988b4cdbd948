// Package report writes findings for people and for programs. It knows nothing
// of policies: a finding says all that a report needs.
package report

import (
	"encoding/json"
	"fmt"
	"io"

	"muster/fleet"
)

// JSON writes one finding a line, with the names that fleet.Finding gives.
func JSON(w io.Writer, fs []fleet.Finding) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false) // the lines are for programs, not for pages
	for i := range fs {
		if err := enc.Encode(fs[i]); err != nil {
			return fmt.Errorf("write finding %s: %w", fs[i].Fingerprint, err)
		}
	}
	return nil
}
