package explore

import (
	"context"
	"strings"

	tea "charm.land/bubbletea/v2"

	"muster/fleet"
)

// askExport asks for the file to write the dossier into.
func (m *model) askExport(s subject, file string) tea.Cmd {
	switch {
	case s.trace == nil && s.traceID == "":
		return say(flashMsg{"nothing here has a dossier to export: go to a trace"})
	case m.actions.Export == nil:
		return say(flashMsg{"export is not available here: muster trace ID --format otlp writes the same"})
	}
	then := func(file string) tea.Cmd {
		if file == "" {
			return nil
		}
		export, reader := m.actions.Export, m.env.reader
		return m.env.run(func(ctx context.Context) tea.Msg {
			t, err := s.dossier(ctx, reader)
			if err == nil {
				err = export(ctx, file, t)
			}
			if err != nil {
				return flashMsg{"✗ " + err.Error()}
			}
			return flashMsg{"wrote " + file}
		})
	}
	if file != "" {
		return then(file)
	}
	name := s.traceID
	if name == "" {
		name = "dossier"
	}
	return say(askMsg{label: "export to (.otlp.json or .json)", value: "trace-" + fileName(name) + ".otlp.json", then: then})
}

// dossier is that of the subject, read where it is not shown.
func (s subject) dossier(ctx context.Context, r fleet.Reader) (fleet.Trace, error) {
	if s.trace != nil {
		return *s.trace, nil
	}
	return r.Trace(ctx, s.traceID)
}

// fileName is an id as part of a file's name.
func fileName(id string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' {
			return r
		}
		return '_'
	}, head(id, 64))
}
