package engines

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
)

// Promtool is the path of Prometheus's checker of rules: the one on the PATH,
// else Debian's, unpacked into the cache without being installed.
func Promtool(ctx context.Context) (string, error) {
	if p, err := exec.LookPath("promtool"); err == nil {
		return p, nil
	}
	dir, err := once("prometheus-debian", func(dir string) error {
		get := exec.CommandContext(ctx, "apt-get", "download", "prometheus")
		get.Dir = dir
		out, err := get.CombinedOutput()
		if err != nil {
			// A machine that was never updated has no list to find it in.
			if run(ctx, "apt-get", "update") != nil {
				return fmt.Errorf("download prometheus, which promtool comes with: %w\n%s", err, out)
			}
			get = exec.CommandContext(ctx, "apt-get", "download", "prometheus")
			get.Dir = dir
			if out, err := get.CombinedOutput(); err != nil {
				return fmt.Errorf("download prometheus, which promtool comes with: %w\n%s", err, out)
			}
		}
		packages, err := filepath.Glob(filepath.Join(dir, "prometheus_*.deb"))
		if err != nil || len(packages) != 1 {
			return fmt.Errorf("apt-get download prometheus left %v", packages)
		}
		return run(ctx, "dpkg", "-x", packages[0], dir)
	})
	if err != nil {
		return "", fmt.Errorf("no promtool: put one on the PATH: %w", err)
	}
	return filepath.Join(dir, "usr", "bin", "promtool"), nil
}
