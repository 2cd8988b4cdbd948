package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"

	"muster/audit/waiver"
	"muster/explore"
	"muster/fleet"
	"muster/internal/export"
	"muster/stores/lake"
)

// exploreActions are what the explorer can do on a store beside reading.
func (a *app) exploreActions(store fleet.Reader, waivers, dashboards string) explore.Actions {
	out := explore.Actions{
		Export: exportDossier,
		SaveTable: func(_ context.Context, name string, t explore.Table) error {
			return newFile(name, func(w io.Writer) error { return t.Write(w, name) })
		},
		Browse: a.browse, Dashboards: dashboards,
		Waive: func(_ context.Context, f fleet.Finding, w explore.Waiver) (string, error) {
			return waivers, addWaiver(waivers, &f, w)
		},
	}
	if l, is := store.(*lake.Lake); is {
		out.SQL = func(ctx context.Context, query string, limit int) (explore.Table, error) {
			return sqlTable(ctx, l, query, limit)
		}
	}
	return out
}

// exportDossier writes a dossier into a file that is not there yet.
func exportDossier(_ context.Context, name string, t fleet.Trace) error {
	return newFile(name, func(w io.Writer) error { return export.Write(w, name, t) })
}

// newFile writes a file that is not there yet, or none.
func newFile(name string, write func(io.Writer) error) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("export to %s: it is there already: choose another name", name)
	}
	if err != nil {
		return fmt.Errorf("export: %w", err)
	}
	if err := errors.Join(write(f), f.Close()); err != nil {
		return errors.Join(err, os.Remove(name)) // nothing half-written
	}
	return nil
}

// addWaiver adds a waiver to a file, which is replaced as a whole.
func addWaiver(name string, f *fleet.Finding, w explore.Waiver) error {
	text, err := os.ReadFile(name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("waivers: %w", err)
	}
	if text, err = waiver.Append(name, text, f, w.Owner, w.Reason, w.Until); err != nil {
		return err
	}
	return replaceWith(name, text)
}

func replaceWith(name string, text []byte) error {
	return replaceFile(name, func(w io.Writer) error {
		_, err := w.Write(text)
		return err
	})
}

// browse shows a page in this machine's browser.
func (a *app) browse(ctx context.Context, address string) error {
	name, args := "xdg-open", []string{address}
	switch {
	case runtime.GOOS == "darwin":
		name = "open"
	case runtime.GOOS == "windows":
		name, args = "rundll32", []string{"url.dll,FileProtocolHandler", address}
	case a.getenv("DISPLAY") == "" && a.getenv("WAYLAND_DISPLAY") == "":
		return explore.ErrNoBrowser
	}
	if _, err := exec.LookPath(name); err != nil {
		return explore.ErrNoBrowser
	}
	return exec.CommandContext(ctx, name, args...).Run()
}

// sqlTable is the answer to a query in text, of at most limit rows.
func sqlTable(ctx context.Context, l *lake.Lake, query string, limit int) (t explore.Table, err error) {
	rows, err := l.SQL(ctx, query)
	if err != nil {
		return t, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	t.Columns = rows.Columns()
	for rows.Next() {
		if len(t.Rows) == limit {
			t.More = true
			break
		}
		t.Rows = append(t.Rows, texts(rows.Values()))
	}
	if c := rows.Cost(); c != nil {
		t.Note = fmt.Sprint("athena: ", c)
	}
	return t, rows.Err()
}

// stateFile is where the explorer keeps what it was left in, by store.
func (a *app) stateFile() string {
	state := a.getenv("XDG_STATE_HOME")
	if state == "" {
		state = filepath.Join(a.getenv("HOME"), ".local", "state")
	}
	return filepath.Join(state, "muster", "explorer.json")
}

// exploreState is what the explorer of this store was left in. A file that
// cannot be read is no reason not to explore: it begins anew.
func (a *app) exploreState() map[string]explore.State {
	out := map[string]explore.State{}
	text, err := os.ReadFile(a.stateFile())
	if err == nil {
		err = json.Unmarshal(text, &out)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		a.logger().Warn("the explorer's state is not read and begins anew", "file", a.stateFile(), "error", err)
	}
	return out
}

// keepExploreState keeps what the explorer of this store is left in.
func (a *app) keepExploreState(s explore.State) {
	all := a.exploreState()
	if all == nil {
		all = map[string]explore.State{}
	}
	all[a.store] = s
	text, err := json.MarshalIndent(all, "", "  ")
	if err == nil {
		err = os.MkdirAll(filepath.Dir(a.stateFile()), 0o700)
	}
	if err == nil {
		err = replaceWith(a.stateFile(), append(text, '\n'))
	}
	if err != nil {
		a.logger().Warn("the explorer's state is not kept", "file", a.stateFile(), "error", err)
	}
}
