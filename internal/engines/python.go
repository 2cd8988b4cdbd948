package engines

import (
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"fmt"
	"os/exec"
	"path/filepath"
)

// What pip installs, pinned with all that it brings.
var (
	//go:embed requirements-moto.txt
	motoRequirements string
	//go:embed requirements-ministack.txt
	ministackRequirements string
)

// Python is the interpreter of an environment with exactly the requirements
// given, which are the text of a requirements file that pins everything. It is
// made once and kept; other requirements make another one.
func Python(ctx context.Context, name, requirements string) (string, error) {
	system, err := exec.LookPath("python3")
	if err != nil {
		return "", fmt.Errorf("the engines need python3 on the PATH: %w", err)
	}
	sum := sha256.Sum256([]byte(requirements))
	dir, err := once("python-"+name+"-"+hex.EncodeToString(sum[:4]), func(dir string) error {
		if err := run(ctx, system, "-m", "venv", dir); err != nil {
			return err
		}
		if err := write(dir, "requirements.txt", requirements); err != nil {
			return err
		}
		return run(ctx, filepath.Join(dir, "bin", "python"), "-m", "pip", "install", "--quiet",
			"--disable-pip-version-check", "--no-deps", "-r", filepath.Join(dir, "requirements.txt"))
	})
	return filepath.Join(dir, "bin", "python"), err
}
