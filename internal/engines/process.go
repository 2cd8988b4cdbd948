package engines

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"sync"
	"time"
)

// engineUser is whom an engine runs as that refuses to be root: nobody; 0 means
// the user of this process. Set where processes can be started as someone else.
var engineUser int

// spec is a server to start.
type spec struct {
	name, path string
	args, env  []string
	dir        string
	demoted    bool // run as engineUser
}

// process is a running server: one process, so that its end is the server's.
type process struct {
	name  string
	cmd   *exec.Cmd
	log   tail
	ended chan struct{}
}

// start starts a server. Nothing but kill and the end of this process ends it.
func start(s spec) (*process, error) {
	p := &process{name: s.name, ended: make(chan struct{})}
	p.cmd = exec.CommandContext(context.Background(), s.path, s.args...)
	p.cmd.Dir, p.cmd.Env = s.dir, append(os.Environ(), s.env...)
	p.cmd.Stdout, p.cmd.Stderr = &p.log, &p.log
	p.cmd.SysProcAttr = attributes(s.demoted)
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", s.name, err)
	}
	go func() {
		_ = p.cmd.Wait() // says how it ended: the log says more
		close(p.ended)
	}()
	return p, nil
}

// kill ends the server at once, as a lost machine does, and waits for its end.
func (p *process) kill() error {
	err := p.cmd.Process.Kill()
	<-p.ended
	if errors.Is(err, os.ErrProcessDone) {
		return nil
	}
	return err
}

// probePause is between two questions to a server that does not answer yet.
const probePause = 200 * time.Millisecond

// ready waits until probe has nothing to object to. A server that is not ready
// in time, or that ends, is killed, and the error shows what it printed.
func (p *process) ready(ctx context.Context, limit time.Duration, probe func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	timer := time.NewTimer(0)
	defer timer.Stop()
	last := errors.New("not asked")
	for {
		select {
		case <-p.ended:
			return fmt.Errorf("%s ended while it started:\n%s", p.name, p.log.String())
		case <-ctx.Done():
			return errors.Join(fmt.Errorf("%s does not answer within %s: %w\n%s", p.name, limit, last, p.log.String()), p.kill())
		case <-timer.C:
		}
		if err := probe(ctx); err == nil {
			return nil
		} else if ctx.Err() == nil {
			last = err
		}
		timer.Reset(probePause)
	}
}

// answers is a probe: a GET that must answer 200.
func answers(client *http.Client, url string) func(context.Context) error {
	return func(ctx context.Context) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		req.Close = true
		resp, err := client.Do(req)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return errors.New(resp.Status)
		}
		return nil
	}
}

// tailSize bounds what is kept of a server's output, in bytes: the end of a
// Java stack trace and what led to it.
const tailSize = 32 << 10

// tail keeps the last tailSize bytes written to it, and up to as much before.
type tail struct {
	mu   sync.Mutex
	kept bytes.Buffer
}

func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.kept.Len() > 2*tailSize {
		t.kept.Next(t.kept.Len() - tailSize)
	}
	return t.kept.Write(b)
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.kept.String()
}
