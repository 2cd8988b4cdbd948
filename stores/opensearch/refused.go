package opensearch

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sync"
)

// refusal is a document that OpenSearch will not take, however often it is sent.
type refusal struct {
	Index    string          `json:"index"`
	ID       string          `json:"id"`
	Status   int             `json:"status"`
	Error    string          `json:"error"`
	Document json.RawMessage `json:"document"`
}

// refusals is the dead-letter file: one refusal a line, only ever appended to.
// A batch that is sent again after a crash may be refused again.
type refusals struct {
	path string
	mu   sync.Mutex
}

// errNoRefusedFile keeps a refused document from being dropped silently.
var errNoRefusedFile = errors.New("there is no file for the documents that OpenSearch refuses")

// add returns nil only when the refusals are on the disk.
func (f *refusals) add(rs []refusal) error {
	if len(rs) == 0 {
		return nil
	}
	if f.path == "" {
		return fmt.Errorf("%w: %s in %s: %s", errNoRefusedFile, rs[0].ID, rs[0].Index, rs[0].Error)
	}
	var lines []byte
	for _, r := range rs {
		line, err := json.Marshal(r)
		if err != nil {
			return fmt.Errorf("keep refused document %s: %w", r.ID, err)
		}
		lines = append(append(lines, line...), '\n')
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	file, err := os.OpenFile(f.path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("keep refused documents: %w", err)
	}
	_, err = file.Write(lines)
	if err = errors.Join(err, file.Sync(), file.Close()); err != nil {
		return fmt.Errorf("keep refused documents: %w", err)
	}
	return nil
}
