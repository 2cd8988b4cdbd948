package engines

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// The versions of OpenSearch: the newest with its painless and ingest modules,
// and the newest with the security plugin.
const (
	openSearchVersion       = "3.8.0"
	openSearchSecureVersion = "2.19.4"
)

// openSearchStart is how long OpenSearch may take to answer; 10 to 40 s are
// usual, and a machine that is busy with other things takes ten times that.
const openSearchStart = 10 * time.Minute

// OpenSearch is a cluster of one node.
type OpenSearch struct {
	// CA is the certificate, in PEM, that signed the node's; nil without TLS.
	CA []byte
	// User may do everything. LimitedUser may do what Limit allows; nothing at
	// first. All are empty without security.
	User, Password               string
	LimitedUser, LimitedPassword string

	process         *process
	home, work, jdk string
	java            string // options of the virtual machine
	http, transport int
	client          *http.Client
}

const (
	// quickStart halves the start: a small heap and the quick compiler, whose
	// code indexes at a third of the speed.
	quickStart = "-Xms512m -Xmx512m -XX:TieredStopAtLevel=1"
	// fullSpeed is a heap and the compiler of an engine that is there to work.
	fullSpeed = "-Xms2g -Xmx2g"
)

// StartOpenSearch starts an OpenSearch 3.8.0 without documents, TLS and users.
// The context bounds the start.
func StartOpenSearch(ctx context.Context) (*OpenSearch, error) {
	return startOpenSearch(ctx, quickStart)
}

// StartFastOpenSearch is StartOpenSearch for measuring: it takes longer to
// start, and has the heap and the compiler that an operator's has.
func StartFastOpenSearch(ctx context.Context) (*OpenSearch, error) {
	return startOpenSearch(ctx, fullSpeed)
}

func startOpenSearch(ctx context.Context, options string) (*OpenSearch, error) {
	home, err := openSearchHome(ctx, openSearchVersion)
	if err != nil {
		return nil, err
	}
	jdk, err := java(ctx, 21, 99)
	if err != nil {
		return nil, err
	}
	o := &OpenSearch{home: home, jdk: jdk, java: options, client: &http.Client{Transport: &http.Transport{}}}
	if err := o.layOut(ctx, ""); err != nil {
		return nil, errors.Join(err, o.Close())
	}
	if err := o.Restart(ctx); err != nil {
		return nil, errors.Join(err, o.Close())
	}
	return o, nil
}

// openSearchHome is the unpacked engine.
func openSearchHome(ctx context.Context, version string) (string, error) {
	home, err := once("opensearch-"+version, func(dir string) error { return unpackOpenSearch(ctx, dir, version) })
	return home, err
}

// unpackOpenSearch puts the engine itself into dir.
func unpackOpenSearch(ctx context.Context, dir, version string) error {
	zip, err := artifact(ctx, "org.opensearch.distribution.integ-test-zip", "opensearch", version, "zip")
	if err != nil {
		return err
	}
	if err := run(ctx, "unzip", "-q", zip, "-d", dir); err != nil {
		return err
	}
	packed := filepath.Join(dir, "opensearch-"+version)
	entries, err := os.ReadDir(packed)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := os.Rename(filepath.Join(packed, e.Name()), filepath.Join(dir, e.Name())); err != nil {
			return err
		}
	}
	return os.Remove(packed)
}

// layOut makes the engine's own folder in the temporary one, where the user
// that it runs as can reach it.
func (o *OpenSearch) layOut(ctx context.Context, settings string) error {
	var err error
	if o.work, err = os.MkdirTemp("", "muster-opensearch-"); err != nil {
		return err
	}
	if o.http, err = freePort(ctx); err != nil {
		return err
	}
	if o.transport, err = freePort(ctx); err != nil {
		return err
	}
	if err := os.CopyFS(filepath.Join(o.work, "config"), os.DirFS(filepath.Join(o.home, "config"))); err != nil {
		return err
	}
	for _, d := range []string{"data", "logs", "tmp"} {
		if err := os.Mkdir(filepath.Join(o.work, d), 0o755); err != nil {
			return err
		}
	}
	// The logs of the garbage collector would go to the engine's own folder.
	options, err := os.ReadFile(filepath.Join(o.home, "config", "jvm.options"))
	if err != nil {
		return err
	}
	lines := slices.DeleteFunc(strings.Split(string(options), "\n"), func(l string) bool {
		return strings.Contains(l, "Xlog:gc") || strings.Contains(l, "ErrorFile") || strings.Contains(l, "HeapDump")
	})
	if err := write(o.work, "config/jvm.options", strings.Join(lines, "\n")); err != nil {
		return err
	}
	return write(o.work, "config/opensearch.yml", fmt.Sprintf(
		"discovery.type: single-node\nnetwork.host: 127.0.0.1\nhttp.port: %d\ntransport.port: %d\n"+
			"path.data: %[3]s/data\npath.logs: %[3]s/logs\ncluster.routing.allocation.disk.threshold_enabled: false\n",
		o.http, o.transport, o.work)+settings)
}

// Restart starts the engine again after Kill, with the documents it had, and
// waits for a real answer.
func (o *OpenSearch) Restart(ctx context.Context) error {
	if err := give(o.work); err != nil {
		return err
	}
	config := filepath.Join(o.work, "config")
	var err error
	// The script execs Java, so that the process is the engine itself.
	o.process, err = start(spec{
		name: "OpenSearch", path: filepath.Join(o.home, "bin", "opensearch"), dir: o.work, demoted: true,
		env: []string{
			"OPENSEARCH_PATH_CONF=" + config, "OPENSEARCH_TMPDIR=" + filepath.Join(o.work, "tmp"),
			"OPENSEARCH_JAVA_HOME=" + o.jdk, "JAVA_HOME=" + o.jdk,
			"OPENSEARCH_JAVA_OPTS=" + o.java,
		},
	})
	if err != nil {
		return err
	}
	return o.process.ready(ctx, openSearchStart, func(ctx context.Context) error {
		return o.do(ctx, http.MethodGet, "/_cluster/health?wait_for_status=yellow&timeout=5s", "")
	})
}

// do sends a request as the one who may do everything.
func (o *OpenSearch) do(ctx context.Context, method, path, body string) error {
	req, err := http.NewRequestWithContext(ctx, method, o.URL()+path, strings.NewReader(body))
	if err != nil {
		return err
	}
	req.Close = true
	req.Header.Set("Content-Type", "application/json")
	if o.User != "" {
		req.SetBasicAuth(o.User, o.Password)
	}
	resp, err := o.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode >= http.StatusMultipleChoices {
		return fmt.Errorf("%s %s: %s", method, path, resp.Status)
	}
	return nil
}

// URL is the base of its interface.
func (o *OpenSearch) URL() string {
	if o.CA != nil {
		return fmt.Sprintf("https://127.0.0.1:%d", o.http)
	}
	return fmt.Sprintf("http://127.0.0.1:%d", o.http)
}

// PID is the id of its process, until Kill.
func (o *OpenSearch) PID() int { return o.process.cmd.Process.Pid }

// Kill ends the engine at once, as a lost machine does. What was durable stays.
func (o *OpenSearch) Kill() error { return o.process.kill() }

// Close ends the engine and removes all it had.
func (o *OpenSearch) Close() error {
	var err error
	if o.process != nil {
		err = o.Kill()
	}
	o.client.CloseIdleConnections()
	return errors.Join(err, os.RemoveAll(o.work))
}
