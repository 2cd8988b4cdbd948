package lake

import (
	"path"
	"sync"

	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// manifestBytes bounds the manifests that are kept in memory. One names some
// files in a few kilobytes, and a lake that merges them has a few dozen.
const manifestBytes = 64 << 20

// manifests keeps manifests and lists of them. Their names are unique and they
// never change, and every plan reads all that its snapshot has: 50 answers of S3
// for a commit that adds one file.
type manifests struct {
	mu    sync.Mutex
	files map[string][]byte // by key
	order []string          // that kept longest first
	size  int
}

func newManifests() *manifests { return &manifests{files: map[string][]byte{}} }

// object is a kept file, nil for none.
func (m *manifests) object(key string) *object {
	m.mu.Lock()
	defer m.mu.Unlock()
	body, ok := m.files[key]
	if !ok {
		return nil
	}
	return &object{body: body, size: int64(len(body)), head: &s3.GetObjectOutput{}}
}

// keep keeps a file if it is a manifest; nobody writes to body afterwards.
func (m *manifests) keep(key string, body []byte) {
	if path.Ext(key) != ".avro" || len(body) > manifestBytes/8 {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.files[key]; ok {
		return
	}
	m.files[key] = body
	m.order = append(m.order, key)
	m.size += len(body)
	for m.size > manifestBytes {
		m.size -= len(m.files[m.order[0]])
		delete(m.files, m.order[0])
		m.order = m.order[1:]
	}
}
