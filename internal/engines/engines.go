// Package engines starts the real engines that tests and benchmarks run
// against: moto, Trino, OpenSearch and ministack, each in a pinned version, on
// loopback, as a process of its own that ends with the one that started it.
//
// What they consist of is downloaded once by pip and Maven, into the module's
// .cache/engines, or the user's cache outside of a module; an existing file or
// folder there counts as verified, as it gets its name only when it is complete.
// Tests with the build tag "engines", the benchmarks, and the demo on ministack
// import this package.
package engines

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// The key, secret and region with which everything here talks to moto, which
// takes any.
const (
	Key    = "muster"
	Secret = "muster-secret"
	Region = "us-east-1"
)

// cache is the folder of downloads: .cache/engines beside muster's go.mod above
// the working directory, which in a test is the package's folder; outside of the
// module, muster/engines in the user's cache.
func cache() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if mod, err := os.ReadFile(filepath.Join(dir, "go.mod")); err == nil && bytes.HasPrefix(mod, []byte("module muster\n")) {
			break
		}
		if filepath.Dir(dir) == dir {
			user, err := os.UserCacheDir()
			if err != nil {
				return "", fmt.Errorf("find a folder for the engines: %w", err)
			}
			dir = filepath.Join(user, "muster", "engines")
			return dir, os.MkdirAll(dir, 0o755)
		}
		dir = filepath.Dir(dir)
	}
	dir = filepath.Join(dir, ".cache", "engines")
	return dir, os.MkdirAll(dir, 0o755)
}

// once makes a folder of the cache unless it is there, and returns its path.
// The making goes on under another name, so that half of a folder never counts,
// and two processes that make the same one do no harm: the first one's stays.
func once(name string, fill func(dir string) error) (string, error) {
	root, err := cache()
	if err != nil {
		return "", err
	}
	final := filepath.Join(root, name)
	if _, err := os.Stat(final); err == nil {
		return final, nil
	}
	dir, err := os.MkdirTemp(root, name+".part-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	if err := fill(dir); err != nil {
		return "", fmt.Errorf("make %s: %w", name, err)
	}
	// Engines run as another user than the one who downloads.
	if err := os.Chmod(dir, 0o755); err != nil {
		return "", err
	}
	if err := os.Rename(dir, final); err != nil {
		if _, there := os.Stat(final); there != nil {
			return "", err
		}
	}
	return final, nil
}

// artifact is the path of a Maven artifact, downloaded if need be. Its name in
// the cache is Maven's: "trino-hive-476.zip".
func artifact(ctx context.Context, group, name, version, kind string) (string, error) {
	root, err := cache()
	if err != nil {
		return "", err
	}
	file := name + "-" + version + "." + kind
	final := filepath.Join(root, file)
	if _, err := os.Stat(final); err == nil {
		return final, nil
	}
	dir, err := os.MkdirTemp(root, file+".part-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	if err := run(ctx, "mvn", "-q", "-B", "dependency:copy", "-DoutputDirectory="+dir,
		"-Dartifact="+strings.Join([]string{group, name, version, kind}, ":")); err != nil {
		return "", err
	}
	return final, os.Rename(filepath.Join(dir, file), final)
}

// run runs a command to its end; what it printed is in the error.
func run(ctx context.Context, name string, args ...string) error {
	if out, err := exec.CommandContext(ctx, name, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, out)
	}
	return nil
}

var javaVersion = regexp.MustCompile(`version "(\d+)`)

// java is the home of a Java whose major version is from least to most.
func java(ctx context.Context, least, most int) (string, error) {
	homes := []string{os.Getenv("JAVA_HOME")}
	for _, pattern := range []string{"/usr/lib/jvm/*", "/Library/Java/JavaVirtualMachines/*/Contents/Home"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			return "", err
		}
		homes = append(homes, found...)
	}
	for _, home := range homes {
		out, err := exec.CommandContext(ctx, filepath.Join(home, "bin", "java"), "-version").CombinedOutput()
		if m := javaVersion.FindSubmatch(out); err == nil && m != nil {
			if major, err := strconv.Atoi(string(m[1])); err == nil && major >= least && major <= most {
				return home, nil
			}
		}
	}
	return "", fmt.Errorf("no Java %d to %d in JAVA_HOME or the system's usual folders", least, most)
}

// freePort is a TCP port that nobody listens on now.
func freePort(ctx context.Context) (int, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	return l.Addr().(*net.TCPAddr).Port, l.Close()
}

// write puts a text file at a path below dir, with the folders on the way.
func write(dir, name, text string) error {
	path := filepath.Join(dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, []byte(text), 0o644)
}

// give makes everything below dir the property of the user that the engines
// run as.
func give(dir string) error {
	if engineUser == 0 {
		return nil
	}
	return filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		return errors.Join(err, os.Chown(path, engineUser, engineUser))
	})
}
