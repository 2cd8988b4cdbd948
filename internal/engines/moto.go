package engines

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

//go:embed moto_server.py
var motoServer string

// motoStart is how long moto may take; one to two seconds are usual.
const motoStart = 60 * time.Second

// Moto is an AWS with S3 and Glue in the memory of one process. Its Glue
// compares versions as the real one does.
type Moto struct {
	process *process
	dir     string
	port    int
}

// StartMoto starts a moto without anything in it. The context bounds the start.
func StartMoto(ctx context.Context) (*Moto, error) {
	python, err := Python(ctx, "moto", motoRequirements)
	if err != nil {
		return nil, err
	}
	port, err := freePort(ctx)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "muster-moto-")
	if err != nil {
		return nil, err
	}
	m := &Moto{dir: dir, port: port}
	if err := write(dir, "moto_server.py", motoServer); err != nil {
		return nil, errors.Join(err, m.Close())
	}
	m.process, err = start(spec{
		name: "moto", path: python, dir: dir,
		args: []string{filepath.Join(dir, "moto_server.py"), strconv.Itoa(port)},
		env:  []string{"PYTHONDONTWRITEBYTECODE=1", "PYTHONUNBUFFERED=1"},
	})
	if err == nil {
		err = m.process.ready(ctx, motoStart, answers(http.DefaultClient, m.URL()+"/moto-api/data.json"))
	}
	if err != nil {
		return nil, errors.Join(err, m.Close())
	}
	return m, nil
}

// URL is the endpoint of every service.
func (m *Moto) URL() string { return fmt.Sprintf("http://127.0.0.1:%d", m.port) }

// Env are the environment's variables by which AWS's clients find this moto.
func (m *Moto) Env() []string {
	return []string{
		"AWS_ENDPOINT_URL=" + m.URL(), "AWS_ACCESS_KEY_ID=" + Key, "AWS_SECRET_ACCESS_KEY=" + Secret, "AWS_REGION=" + Region,
	}
}

// MakeBucket makes an S3 bucket.
func (m *Moto) MakeBucket(ctx context.Context, name string) error {
	return makeBucket(ctx, m.URL(), name)
}

// Close ends it; what was in it is gone.
func (m *Moto) Close() error {
	var err error
	if m.process != nil {
		err = m.process.kill()
	}
	return errors.Join(err, os.RemoveAll(m.dir))
}

// makeBucket makes an S3 bucket at an emulator, which asks for no signature.
func makeBucket(ctx context.Context, endpoint, name string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, endpoint+"/"+name, nil)
	if err != nil {
		return err
	}
	req.Close = true
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("make the bucket %s: %w", name, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("make the bucket %s: %s", name, resp.Status)
	}
	return nil
}
