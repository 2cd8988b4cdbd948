package engines

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// ministackStart is how long ministack may take; some seconds are usual.
const ministackStart = 2 * time.Minute

// Ministack is an AWS in one process, made by other people than moto's: a second
// witness. Its Athena takes DuckDB's dialect and Athena's data definitions.
type Ministack struct {
	process *process
	dir     string
	port    int
}

// StartMinistack starts a ministack without anything in it, which records its
// calls as CloudTrail does. The context bounds the start.
func StartMinistack(ctx context.Context) (*Ministack, error) {
	python, err := Python(ctx, "ministack", ministackRequirements)
	if err != nil {
		return nil, err
	}
	port, err := freePort(ctx)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "muster-ministack-")
	if err != nil {
		return nil, err
	}
	m := &Ministack{dir: dir, port: port}
	m.process, err = start(spec{
		name: "ministack", path: python, args: []string{"-m", "ministack"}, dir: dir,
		env: []string{
			"BIND_HOST=127.0.0.1", "GATEWAY_PORT=" + strconv.Itoa(port), "ATHENA_ENGINE=duckdb", "CLOUDTRAIL_RECORDING=1",
			"TMPDIR=" + dir, "S3_DATA_DIR=" + filepath.Join(dir, "s3"), "LOG_LEVEL=WARNING", "PYTHONDONTWRITEBYTECODE=1",
		},
	})
	if err == nil {
		err = m.process.ready(ctx, ministackStart, answers(http.DefaultClient, m.URL()+"/_ministack/health"))
	}
	if err != nil {
		return nil, errors.Join(err, m.Close())
	}
	return m, nil
}

// URL is the endpoint of every service.
func (m *Ministack) URL() string { return fmt.Sprintf("http://127.0.0.1:%d", m.port) }

// MakeBucket makes an S3 bucket.
func (m *Ministack) MakeBucket(ctx context.Context, name string) error {
	return makeBucket(ctx, m.URL(), name)
}

// Close ends it; what was in it is gone.
func (m *Ministack) Close() error {
	var err error
	if m.process != nil {
		err = m.process.kill()
	}
	return errors.Join(err, os.RemoveAll(m.dir))
}
