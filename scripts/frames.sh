#!/usr/bin/env bash
# Drives the explorer through all of its views in tmux, on a
# live demo, and puts the frames that it took into README.md and docs/explorer.md. Fails if a screen
# does not show what it must. Usage: scripts/frames.sh [--check]
# With --check nothing is written: the screens are only looked at.
set -euo pipefail
cd "$(dirname "$0")/.."
command -v tmux >/dev/null || { echo "frames: tmux is needed" >&2; exit 2; }
[ -x bin/muster ] || { echo "frames: build first: make build" >&2; exit 2; }

socket="muster-frames-$$"
store=$(mktemp -d)
frames=$(mktemp -d)
cleanup() {
  tmux -L "$socket" kill-server 2>/dev/null || true
  rm -rf "$store" "$frames"
}
trap cleanup EXIT

keys() { tmux -L "$socket" send-keys -t explorer "$@"; }
screen() { tmux -L "$socket" capture-pane -p -t explorer; }

# until_shows PATTERN SECONDS: waits until the screen shows it.
until_shows() {
  local deadline=$((SECONDS + $2))
  until screen 2>/dev/null | grep -qE "$1"; do
    if ! tmux -L "$socket" has-session -t explorer 2>/dev/null; then
      echo "frames: the explorer ended:" >&2
      cat "$store/stderr" >&2
      exit 1
    fi
    if [ $SECONDS -ge $deadline ]; then
      echo "frames: the screen does not show \"$1\" after $2 s:" >&2
      screen >&2
      exit 1
    fi
    sleep 0.3
  done
}

take() { screen | sed 's/[[:space:]]*$//' | cat -s > "$frames/$1"; echo "took $1"; }

tmux -L "$socket" new-session -d -s explorer -x 80 -y 24 "bin/muster demo --seed 7 --store $store/lake 2>$store/stderr"
until_shows 'POST /(prod|canary)' 60
until_shows 'findings ([6-9]|[1-9][0-9])' 60
take list

# The oldest order: its trail files have come, and its payment was slow.
keys /
sleep 0.5
keys 'POST'
keys Enter
until_shows 'filter: POST' 15
sleep 1 # the list is read again
keys End
sleep 1
until_shows 'POST /(prod|canary).* [1-9][0-9]* +[1-9][0-9]* +[1-9][0-9]* ' 30
keys Enter
until_shows 'JOINED' 15
until_shows 'API calls' 30
take dossier
keys Escape
until_shows 'POST /(prod|canary)' 15
sleep 1 # an escape and a key at once would be a key with alt
keys Tab
until_shows 'root-console-login' 30
take findings
keys Enter
until_shows 'evidence +[0-9]+ record' 15
keys Escape
sleep 1
tmux -L "$socket" resize-window -t explorer -x 140 -y 40
keys Tab
until_shows '\[changes' 15
until_shows 'Δ ' 15
take changes
keys Tab
until_shows '\[calls' 15
keys Tab
until_shows '\[logs' 15
until_shows 'INFO' 15
take logs
keys S
until_shows 'service map' 30
until_shows 'gateway' 30
take services
keys Escape
sleep 1
keys Q
until_shows 'sql: ' 15
keys "select kind, count(*) as n, sum(case when error <> '' then 1 else 0 end) as failed from records group by kind order by n des"
sleep 0.5
keys Tab
until_shows 'order by n desc' 15
keys Enter
until_shows 'api_call +[0-9]+' 60
take sql
keys Escape
sleep 1
keys '?'
until_shows 'commands, after :' 15
keys x
keys :
until_shows 'command or id' 15
keys 'tra'
keys Tab Enter
until_shows '\[traces' 15
until_shows 'POST /(prod|canary)' 15
keys M
until_shows 'ΔWAITED' 30
take compare
keys Escape
sleep 1
keys O
until_shows 'CHANCE' 30
take outliers
keys Escape
sleep 1
until_shows 'POST /(prod|canary)' 15
keys Enter
until_shows 'DETAILS' 15
take wide
keys q
for _ in $(seq 50); do
  tmux -L "$socket" has-session -t explorer 2>/dev/null || break
  sleep 0.2
done
if tmux -L "$socket" has-session -t explorer 2>/dev/null; then
  echo "frames: q did not end the explorer" >&2
  exit 1
fi

[ "${1:-}" = --check ] && { cat "$frames"/*; exit 0; }
for page in README.md docs/explorer.md; do
  for f in list dossier findings changes logs services sql compare outliers wide; do
    awk -v f="$f" -v file="$frames/$f" '
      $0 == "<!-- frame:" f " -->" { print; print "```text"; while ((getline l < file) > 0) print l; print "```"; skip = 1; next }
      $0 == "<!-- /frame -->" { skip = 0 }
      !skip { print }' $page > "$frames/page" && cp "$frames/page" $page
  done
done
echo "README.md and docs/explorer.md have the new frames"
