package engines

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"
)

// jaegerModule is built in its own module, so that nothing of it is in muster's.
const jaegerModule = "github.com/jaegertracing/jaeger@v1.76.0"

// jaegerStart is how long Jaeger may take; a second is usual.
const jaegerStart = 60 * time.Second

// Jaeger keeps traces in the memory of one process.
type Jaeger struct {
	process     *process
	query, otlp int // ports
}

// StartJaeger builds Jaeger, the first time, which takes some minutes, and
// starts it empty. The context bounds both.
func StartJaeger(ctx context.Context) (*Jaeger, error) {
	dir, err := once("jaeger-1.76.0", func(dir string) error { return buildJaeger(ctx, dir) })
	if err != nil {
		return nil, err
	}
	var ports [7]int
	for i := range ports {
		if ports[i], err = freePort(ctx); err != nil {
			return nil, err
		}
	}
	j := &Jaeger{query: ports[0], otlp: ports[1]}
	var args []string
	for i, flag := range []string{
		"query.http-server", "collector.otlp.http", "query.grpc-server", "collector.otlp.grpc", "admin.http",
		"collector.http-server", "collector.grpc-server",
	} {
		args = append(args, fmt.Sprintf("--%s.host-port=127.0.0.1:%d", flag, ports[i]))
	}
	j.process, err = start(spec{
		name: "jaeger", path: filepath.Join(dir, "jaeger"), dir: os.TempDir(), args: args,
		env: []string{"SPAN_STORAGE_TYPE=memory"},
	})
	if err != nil {
		return nil, err
	}
	if err := j.process.ready(ctx, jaegerStart, answers(http.DefaultClient, j.QueryURL()+"/api/services")); err != nil {
		return nil, err // it was killed
	}
	return j, nil
}

// buildJaeger builds Jaeger as its own module has it, with the versions that its
// go.mod and go.sum name.
func buildJaeger(ctx context.Context, dir string) error {
	download := exec.CommandContext(ctx, "go", "mod", "download", "-json", jaegerModule)
	download.Dir = dir // outside of muster's module
	out, err := download.Output()
	var module struct{ Dir, Error string }
	if err := errors.Join(json.Unmarshal(out, &module), err); err != nil {
		return fmt.Errorf("download %s: %w %s", jaegerModule, err, module.Error)
	}
	return run(ctx, "go", "build", "-C", module.Dir, "-o", filepath.Join(dir, "jaeger"), "-ldflags=-s -w", "./cmd/all-in-one")
}

// QueryURL is where traces are asked for, and OTLPURL where they are sent.
func (j *Jaeger) QueryURL() string { return "http://127.0.0.1:" + strconv.Itoa(j.query) }

// OTLPURL takes OTLP over HTTP.
func (j *Jaeger) OTLPURL() string { return "http://127.0.0.1:" + strconv.Itoa(j.otlp) + "/v1/traces" }

// Close ends it.
func (j *Jaeger) Close() error { return j.process.kill() }
