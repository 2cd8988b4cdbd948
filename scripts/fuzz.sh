#!/usr/bin/env bash
# Runs every fuzz target for FUZZTIME each, one after the other, and says which
# failed. Arguments are packages; without any, all that have a target.
set -euo pipefail
cd "$(dirname "$0")/.."
time=${FUZZTIME:-10m}
failed=()
dirs=("$@")
if [ ${#dirs[@]} -eq 0 ]; then
	mapfile -t dirs < <(grep -rl --include='*_test.go' '^func Fuzz' . | grep -v '^./.cache/' | xargs -n1 dirname | sort -u)
fi
for dir in "${dirs[@]}"; do
	for target in $(grep -ho '^func Fuzz[A-Za-z0-9_]*' "$dir"/*_test.go | sed 's/^func //'); do
		echo "fuzz $dir $target for $time"
		# Go would take up to a minute of these to shorten each input that is new.
		"${GO:-go}" test -run '^$' -fuzz "^$target\$" -fuzztime "$time" -fuzzminimizetime 5s "$dir" || failed+=("$dir $target")
	done
done
if [ ${#failed[@]} -gt 0 ]; then
	printf 'FAILED: %s\n' "${failed[@]}" >&2
	exit 1
fi
