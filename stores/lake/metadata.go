package lake

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"strconv"
	"strings"
	"sync"

	iceio "github.com/apache/iceberg-go/io"
	"github.com/apache/iceberg-go/table"
)

// loadTries is how often a table is loaded whose metadata is gone: others may
// commit so often meanwhile that it was removed as old.
const loadTries = 3

// knownMetadata keeps the metadata of each table that was read or written last.
// The file of a name never changes, and nobody writes to what it holds, so that
// whoever has asked the catalog for the name need not read it again. The zero
// value is empty.
type knownMetadata struct {
	mu     sync.Mutex
	tables map[string]namedMetadata // by table name
}

type namedMetadata struct {
	name string
	table.Metadata
}

// read is the metadata of a table that lies at a name.
func (k *knownMetadata) read(ctx context.Context, tableName, name string, files func(context.Context) (iceio.IO, error)) (table.Metadata, error) {
	k.mu.Lock()
	last := k.tables[tableName]
	k.mu.Unlock()
	if last.name == name {
		return last.Metadata, nil
	}
	t, err := table.NewFromLocation(ctx, table.Identifier{tableName}, name, files, nil)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	k.keep(tableName, name, t.Metadata())
	return t.Metadata(), nil
}

func (k *knownMetadata) keep(tableName, name string, meta table.Metadata) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.tables == nil {
		k.tables = map[string]namedMetadata{}
	}
	k.tables[tableName] = namedMetadata{name, meta}
}

// successor is a table's metadata with updates; table.ErrCommitFailed when the
// table is not what they require.
func successor(current *table.Table, reqs []table.Requirement, updates []table.Update) (table.Metadata, error) {
	for _, r := range reqs {
		if err := r.Validate(current.Metadata()); err != nil {
			return nil, fmt.Errorf("%w: %w", table.ErrCommitFailed, err)
		}
	}
	return table.UpdateTableMetadata(current.Metadata(), updates, current.MetadataLocation())
}

// stageMetadata writes metadata as the next version after that of a name, ""
// for none, and returns its own name. Nothing points to it yet.
func stageMetadata(f files, meta table.Metadata, after string) (string, error) {
	version := 0
	if after != "" {
		v, ok := versionOf(after)
		if !ok {
			return "", fmt.Errorf("metadata %s has no version in its name", after)
		}
		version = v + 1
	}
	where, err := table.LoadLocationProvider(meta.Location(), meta.Properties())
	if err != nil {
		return "", err
	}
	name, err := where.NewTableMetadataFileLocation(version)
	if err != nil {
		return "", err
	}
	content, err := encodeMetadata(meta)
	if err != nil {
		return "", err
	}
	return name, f.WriteFile(name, content)
}

// encodeMetadata is the content of a metadata file, compressed as its name
// will say: as a property of the table asks, which muster never sets.
func encodeMetadata(meta table.Metadata) ([]byte, error) {
	content, err := marshalMetadata(meta)
	if err != nil {
		return nil, err
	}
	switch codec := meta.Properties().Get(table.MetadataCompressionKey, table.MetadataCompressionDefault); codec {
	case table.MetadataCompressionCodecNone:
		return content, nil
	case table.MetadataCompressionCodecGzip:
		var out bytes.Buffer
		z := gzip.NewWriter(&out)
		_, err := z.Write(content)
		err = errors.Join(err, z.Close())
		return out.Bytes(), err
	default:
		return nil, fmt.Errorf("table property %s is %s, and muster writes none and gzip", table.MetadataCompressionKey, codec)
	}
}

// marshalMetadata asks the metadata itself when it can: json.Marshal would go
// over what that gives a second time, a quarter of the work.
func marshalMetadata(meta table.Metadata) ([]byte, error) {
	if m, ok := meta.(json.Marshaler); ok {
		return m.MarshalJSON()
	}
	return json.Marshal(meta)
}

// versionOf is the number that a metadata file's name begins with.
func versionOf(name string) (int, bool) {
	number, _, ok := strings.Cut(path.Base(name), "-")
	if !ok || !strings.HasSuffix(name, ".metadata.json") {
		return 0, false
	}
	v, err := strconv.Atoi(number)
	return v, err == nil
}
