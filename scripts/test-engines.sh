#!/usr/bin/env bash
# Runs the tests that are built with the tag engines, and no others: package by
# package, since each starts servers that want the machine for themselves.
# Arguments are go's: scripts/test-engines.sh -run TestTrino
set -euo pipefail
cd "$(dirname "$0")/.."
for tool in python3 mvn unzip tar; do
	command -v "$tool" >/dev/null || { echo "test-engines needs $tool on the PATH" >&2; exit 1; }
done
failed=()
files=$(grep -rl --include='*_test.go' '^//go:build.*\bengines\b' . | grep -v '^./.cache/')
for dir in $(dirname $files | sort -u); do
	tests=$(grep -ho '^func Test[A-Za-z0-9_]*(t ' $(grep -l '^//go:build.*\bengines\b' "$dir"/*_test.go) | sed 's/^func //; s/(t $//' | paste -sd'|' || true)
	[ -n "$tests" ] || continue
	"${GO:-go}" test -tags engines -timeout 40m -count=1 -v -run "^($tests)\$" "$@" "$dir" || failed+=("$dir")
done
if [ ${#failed[@]} -gt 0 ]; then
	echo "FAILED: ${failed[*]}" >&2
	exit 1
fi
