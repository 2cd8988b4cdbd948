package engines

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"muster/internal/localaws/trino"
)

// trinoVersion is the last one with a server archive.
const trinoVersion = "476"

// trinoStart is how long Trino may take; 15 to 45 s are usual, and a machine
// that is busy with other things takes ten times that.
const trinoStart = 10 * time.Minute

// Database is the Glue database that StartTrino makes, with a bucket for the
// tables that Trino itself makes in it.
const (
	Database  = "muster"
	warehouse = "trino-warehouse"
)

// Trino is Athena's engine over a moto's Glue and S3. Its catalogs: lake (the
// Iceberg tables of Glue; Hive tables are looked up there too, as in Athena),
// hive (the other way around), and memory.
type Trino struct {
	process *process
	dir     string
	client  trino.Client
}

// Result is the answer to one statement.
type Result = trino.Result

// StartTrino starts a Trino over a moto and makes the Glue database muster. The
// context bounds the start.
func StartTrino(ctx context.Context, moto *Moto) (*Trino, error) {
	home, err := trinoHome(ctx)
	if err != nil {
		return nil, err
	}
	jdk, err := java(ctx, 24, 25)
	if err != nil {
		return nil, err
	}
	port, err := freePort(ctx)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "muster-trino-")
	if err != nil {
		return nil, err
	}
	t := &Trino{dir: dir, client: trino.Client{
		URL: fmt.Sprintf("http://127.0.0.1:%d", port), Catalog: "lake", Schema: Database,
		HTTP: &http.Client{Transport: &http.Transport{}},
	}}
	err = errors.Join(t.configure(port, moto), moto.MakeBucket(ctx, warehouse))
	if err == nil {
		t.process, err = start(spec{
			name: "Trino", path: filepath.Join(jdk, "bin", "java"), dir: dir,
			args: append(append([]string{"-cp", filepath.Join(home, "lib", "*")}, trinoFlags...),
				"-Dconfig="+filepath.Join(dir, "etc", "config.properties"),
				"-Dlog.levels-file="+filepath.Join(dir, "etc", "log.properties"),
				"-Dplugin.dir="+filepath.Join(home, "plugin"), "-Dnode.data-dir="+filepath.Join(dir, "data"),
				"-Dnode.environment=test", "-Dnode.id=muster", "io.trino.server.TrinoServer"),
		})
	}
	if err == nil {
		err = t.process.ready(ctx, trinoStart, t.warm)
	}
	if err != nil {
		return nil, errors.Join(err, t.Close())
	}
	return t, nil
}

// warm makes the database, and writes to a table of each catalog that it drops
// again: after Trino says that it has started, queries that are given to nodes,
// as those of information_schema are not, can find none for seconds. Before that
// they only cost time.
func (t *Trino) warm(ctx context.Context) error {
	if err := t.started(ctx); err != nil {
		return err
	}
	for _, sql := range []string{
		"CREATE SCHEMA IF NOT EXISTS lake." + Database + " WITH (location = 's3://" + warehouse + "/')",
		"CREATE TABLE IF NOT EXISTS lake." + Database + ".warm (n bigint) WITH (partitioning = ARRAY['n'])",
		"INSERT INTO lake." + Database + ".warm VALUES 1, 2",
		"SELECT count(*) FROM lake." + Database + ".warm GROUP BY n",
		"DROP TABLE lake." + Database + ".warm",
		"CREATE TABLE IF NOT EXISTS memory.default.warm (n bigint)",
		"INSERT INTO memory.default.warm VALUES 1",
		"DROP TABLE memory.default.warm",
	} {
		if _, err := t.Query(ctx, sql); err != nil {
			return err
		}
	}
	return nil
}

// started reports what keeps Trino from having started.
func (t *Trino) started(ctx context.Context) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, t.URL()+"/v1/info", nil)
	if err != nil {
		return err
	}
	resp, err := t.client.HTTP.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	var info struct{ Starting bool }
	if err := json.NewDecoder(resp.Body).Decode(&info); err != nil {
		return fmt.Errorf("ask Trino whether it has started: %w", err)
	}
	if info.Starting {
		return errors.New("it says that it is starting")
	}
	return nil
}

// trinoFlags are Trino's own, but for the heap and the quick compiler: tests
// are small, start often, and several engines run at once.
var trinoFlags = []string{
	"-Xmx1G", "-XX:TieredStopAtLevel=1", "-XX:+UseG1GC", "-XX:+ExitOnOutOfMemoryError", "-XX:-OmitStackTraceInFastThrow", "-XX:ReservedCodeCacheSize=256M",
	"-Djdk.attach.allowAttachSelf=true", "-Djdk.nio.maxCachedBufferSize=2000000", "-Dfile.encoding=UTF-8",
	"-XX:+EnableDynamicAgentLoading", "--enable-native-access=ALL-UNNAMED", "--add-modules=jdk.incubator.vector",
}

// trinoHome is the unpacked server with the plugins that are used here.
func trinoHome(ctx context.Context) (string, error) {
	home, err := once("trino-"+trinoVersion, func(dir string) error {
		server, err := artifact(ctx, "io.trino", "trino-server-core", trinoVersion, "tar.gz")
		if err != nil {
			return err
		}
		if err := run(ctx, "tar", "-xzf", server, "-C", dir, "--strip-components=1"); err != nil {
			return err
		}
		for _, name := range []string{"iceberg", "hive", "memory"} {
			plugin, err := artifact(ctx, "io.trino", "trino-"+name, trinoVersion, "zip")
			if err != nil {
				return err
			}
			if err := run(ctx, "unzip", "-q", plugin, "-d", filepath.Join(dir, "plugin")); err != nil {
				return err
			}
		}
		return nil
	})
	return home, err
}

// configure writes the server's settings into its folder.
func (t *Trino) configure(port int, moto *Moto) error {
	glue := fmt.Sprintf("hive.metastore.glue.region=%[1]s\nhive.metastore.glue.endpoint-url=%[2]s\n"+
		"hive.metastore.glue.aws-access-key=%[3]s\nhive.metastore.glue.aws-secret-key=%[4]s\n"+
		"fs.native-s3.enabled=true\ns3.region=%[1]s\ns3.endpoint=%[2]s\ns3.path-style-access=true\n"+
		"s3.aws-access-key=%[3]s\ns3.aws-secret-key=%[4]s\n", Region, moto.URL(), Key, Secret)
	for name, text := range map[string]string{
		"config.properties": fmt.Sprintf("coordinator=true\nnode-scheduler.include-coordinator=true\n"+
			"http-server.http.port=%d\nnode.bind-ip=127.0.0.1\nnode.internal-address=127.0.0.1\n"+
			"discovery.uri=%s\ncatalog.config-dir=%s\n", port, t.URL(), filepath.Join(t.dir, "etc", "catalog")),
		"log.properties":          "io.trino=WARN\nio.airlift=WARN\nBootstrap=WARN\n",
		"catalog/lake.properties": "connector.name=iceberg\niceberg.catalog.type=glue\niceberg.hive-catalog-name=hive\n" + glue,
		"catalog/hive.properties": "connector.name=hive\nhive.metastore=glue\nhive.iceberg-catalog-name=lake\n" +
			"hive.timestamp-precision=MICROSECONDS\nhive.partition-projection-enabled=true\n" +
			"hive.non-managed-table-writes-enabled=true\n" + glue,
		"catalog/memory.properties": "connector.name=memory\n",
	} {
		if err := write(t.dir, "etc/"+name, text); err != nil {
			return err
		}
	}
	return nil
}

// URL is the base of its REST interface.
func (t *Trino) URL() string { return t.client.URL }

// Query runs one statement to its end. Names without a catalog and a schema
// mean those of lake.muster.
func (t *Trino) Query(ctx context.Context, sql string) (Result, error) {
	return t.client.Run(ctx, sql, nil)
}

// Close ends it.
func (t *Trino) Close() error {
	var err error
	if t.process != nil {
		err = t.process.kill()
	}
	t.client.HTTP.CloseIdleConnections()
	return errors.Join(err, os.RemoveAll(t.dir))
}
