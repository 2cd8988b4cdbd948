//go:build engines

package opensearch

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

const (
	engineVersion = "3.8.0"
	// engineStart is how long the engine may take to answer; 10 to 20 s are usual.
	engineStart = 120 * time.Second
	// engineUser runs the engine, which refuses to run as root: nobody.
	engineUser = 65534
)

// testEngine is the OpenSearch of all tests of this package.
var testEngine *engine

func TestMain(m *testing.M) {
	e, err := newEngine()
	if err == nil {
		err = e.start()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "start OpenSearch:", err)
		os.Exit(1)
	}
	testEngine = e
	code := m.Run()
	if err := e.remove(); err != nil {
		fmt.Fprintln(os.Stderr, "stop OpenSearch:", err)
		code = 1
	}
	if err := goleak.Find(); code == 0 && err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// engine is an OpenSearch of its own on this machine.
type engine struct {
	home, work, java string
	http, transport  int
	process          *exec.Cmd
}

// newEngine lays out an engine's folder in the temporary one, where the user
// that it runs as can reach it.
func newEngine() (*engine, error) {
	home, err := download()
	if err != nil {
		return nil, err
	}
	e := &engine{home: home}
	if e.java, err = findJava(); err != nil {
		return nil, err
	}
	if e.work, err = os.MkdirTemp("", "muster-opensearch-"); err != nil {
		return nil, err
	}
	if e.http, err = freePort(); err != nil {
		return nil, err
	}
	if e.transport, err = freePort(); err != nil {
		return nil, err
	}
	return e, e.configure()
}

// download fetches and unpacks the engine into .cache/, once.
func download() (string, error) {
	cache, err := filepath.Abs(filepath.Join("..", "..", ".cache", "opensearch"))
	if err != nil {
		return "", err
	}
	home := filepath.Join(cache, "opensearch-"+engineVersion)
	if _, err := os.Stat(filepath.Join(home, "bin", "opensearch")); err == nil {
		return home, nil
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return "", err
	}
	for _, c := range [][]string{
		{
			"mvn", "-q", "-B", "dependency:copy", "-DoutputDirectory=" + cache,
			"-Dartifact=org.opensearch.distribution.integ-test-zip:opensearch:" + engineVersion + ":zip",
		},
		{"unzip", "-q", "-o", filepath.Join(cache, "opensearch-"+engineVersion+".zip"), "-d", cache},
	} {
		if out, err := exec.CommandContext(context.Background(), c[0], c[1:]...).CombinedOutput(); err != nil {
			return "", fmt.Errorf("%s: %w: %s", strings.Join(c, " "), err, out)
		}
	}
	return home, nil
}

// findJava is the home of a Java that runs the engine: 21 or newer.
func findJava() (string, error) {
	homes, err := filepath.Glob("/usr/lib/jvm/*")
	if err != nil {
		return "", err
	}
	version := regexp.MustCompile(`version "(2[1-9]|[3-9]\d)[."]`)
	for _, home := range append([]string{os.Getenv("JAVA_HOME")}, homes...) {
		out, err := exec.CommandContext(context.Background(), filepath.Join(home, "bin", "java"), "-version").CombinedOutput()
		if err == nil && version.Match(out) {
			return home, nil
		}
	}
	return "", errors.New("no Java 21 or newer in JAVA_HOME or /usr/lib/jvm")
}

func freePort() (int, error) {
	l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

func (e *engine) configure() error {
	config := filepath.Join(e.work, "config")
	if err := os.CopyFS(config, os.DirFS(filepath.Join(e.home, "config"))); err != nil {
		return err
	}
	for _, d := range []string{"data", "logs", "tmp"} {
		if err := os.Mkdir(filepath.Join(e.work, d), 0o755); err != nil {
			return err
		}
	}
	settings := fmt.Sprintf("discovery.type: single-node\nnetwork.host: 127.0.0.1\nhttp.port: %d\ntransport.port: %d\n"+
		"path.data: %s/data\npath.logs: %s/logs\ncluster.routing.allocation.disk.threshold_enabled: false\n",
		e.http, e.transport, e.work, e.work)
	if err := os.WriteFile(filepath.Join(config, "opensearch.yml"), []byte(settings), 0o644); err != nil {
		return err
	}
	// The logs of the garbage collector would go to the engine's own folder.
	options, err := os.ReadFile(filepath.Join(config, "jvm.options"))
	if err != nil {
		return err
	}
	lines := slices.DeleteFunc(strings.Split(string(options), "\n"), func(l string) bool {
		return strings.Contains(l, "Xlog:gc") || strings.Contains(l, "ErrorFile") || strings.Contains(l, "HeapDump")
	})
	if err := os.WriteFile(filepath.Join(config, "jvm.options"), []byte(strings.Join(lines, "\n")), 0o644); err != nil {
		return err
	}
	if os.Getuid() != 0 {
		return nil
	}
	return filepath.Walk(e.work, func(p string, _ os.FileInfo, err error) error {
		return errors.Join(err, os.Chown(p, engineUser, engineUser))
	})
}

// start starts the engine and waits for a real answer.
func (e *engine) start() error {
	cmd := exec.CommandContext(context.Background(), filepath.Join(e.home, "bin", "opensearch"))
	cmd.Dir = e.work
	cmd.Env = append(os.Environ(),
		"OPENSEARCH_PATH_CONF="+filepath.Join(e.work, "config"), "OPENSEARCH_TMPDIR="+filepath.Join(e.work, "tmp"),
		"OPENSEARCH_JAVA_HOME="+e.java, "JAVA_HOME="+e.java,
		// A small heap and the quick compiler halve the start.
		"OPENSEARCH_JAVA_OPTS=-Xms512m -Xmx512m -XX:TieredStopAtLevel=1",
	)
	var log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &log, &log
	if os.Getuid() == 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: engineUser, Gid: engineUser}}
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	e.process = cmd
	ctx, cancel := context.WithTimeout(context.Background(), engineStart)
	defer cancel()
	for {
		if err := e.answers(ctx); err == nil {
			return nil
		}
		if err := wait(ctx, 200*time.Millisecond); err != nil {
			return errors.Join(fmt.Errorf("no answer in %s: %s", engineStart, log.String()), e.kill())
		}
	}
}

// answers reports whether the cluster's state is there.
func (e *engine) answers(ctx context.Context) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, e.url()+"/_cluster/health?wait_for_status=yellow&timeout=5s", nil)
	if err != nil {
		return err
	}
	req.Close = true
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return errors.New(resp.Status)
	}
	return nil
}

// kill ends the engine at once, as a lost machine does. It execs Java, so that
// the process is the engine itself.
func (e *engine) kill() error {
	err := e.process.Process.Kill()
	_ = e.process.Wait() // says that it was killed
	return err
}

func (e *engine) remove() error { return errors.Join(e.kill(), os.RemoveAll(e.work)) }

func (e *engine) url() string { return fmt.Sprintf("http://127.0.0.1:%d", e.http) }

// newStore is a store with its templates on an engine without any documents.
func newStore(t *testing.T) *Store {
	t.Helper()
	address, err := ParseAddress(testEngine.url(), "")
	if err != nil {
		t.Fatal(err)
	}
	s, err := Open(Options{
		Address: address, Refused: filepath.Join(t.TempDir(), "refused.ndjson"), Pause: 20 * time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	ours := append(patterns(nil), findingIndex+"*", stateIndex+"*")
	if err := s.do(t.Context(), http.MethodDelete, "/"+strings.Join(ours, ","), nil, nil); err != nil {
		t.Fatal(err)
	}
	if err := s.Setup(t.Context(), func(string, Action) {}); err != nil {
		t.Fatal(err)
	}
	return s
}
