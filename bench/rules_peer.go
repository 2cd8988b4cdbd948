package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// sigmaGoVersion is what peers/sigmago/go.mod asks for.
const sigmaGoVersion = "v0.6.6"

// buildSigmaGo builds the peer, a module of its own, so that muster's has
// nothing of it.
func buildSigmaGo(ctx context.Context, folder string) (string, error) {
	program, err := filepath.Abs(filepath.Join(folder, "sigmago"))
	if err != nil {
		return "", err
	}
	cmd := exec.CommandContext(ctx, "go", "build", "-o", program, ".")
	cmd.Dir = filepath.Join("bench", "peers", "sigmago")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build %s (run it at the top of the repository): %w\n%s", cmd.Dir, err, out)
	}
	return program, nil
}

// sigmaGo hands all events to the peer and reads what it found.
func (b *rulesBench) sigmaGo(ctx context.Context, program, mode string, files []string) (t rulesTally, err error) {
	cmd := exec.CommandContext(ctx, program, append([]string{mode, fmt.Sprint(rulesBlock)}, files...)...)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return t, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return t, err
	}
	if err := cmd.Start(); err != nil {
		return t, err
	}
	sent := errors.Join(b.lines(in), in.Close())
	read := json.NewDecoder(out).Decode(&t)
	if err := errors.Join(cmd.Wait(), sent, read); err != nil {
		return t, fmt.Errorf("sigma-go: %w", err)
	}
	if len(t.Hits) != len(files) || len(t.Digests) != len(files) || len(t.Failed) != len(files) {
		return t, fmt.Errorf("sigma-go counted the hits of %d rules, not %d", len(t.Hits), len(files))
	}
	return t, nil
}
