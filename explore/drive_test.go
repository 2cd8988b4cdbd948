package explore

import (
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"
	"github.com/google/go-cmp/cmp"

	"muster/fleet"
)

var update = flag.Bool("update", false, "write the golden frames anew")

// stage is a player of a test.
type stage struct {
	t *testing.T
	*player
}

func newStage(t *testing.T, r fleet.Reader, w, h int, o Options) *stage {
	t.Helper()
	o.Now = func() time.Time { return noon }
	if o.Store == "" {
		o.Store = "~/.local/share/muster"
	}
	return &stage{t, newPlayer(t.Context(), r, o, w, h)}
}

// frame is what the terminal shows, as text.
func (s *stage) frame() string { return ansi.Strip(s.m.View().Content) }

// golden compares the frame with the one in testdata.
func (s *stage) golden(name string) {
	s.t.Helper()
	got := s.frame() + "\n"
	path := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			s.t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			s.t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		s.t.Fatalf("%v; go test ./explore -update writes it", err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		s.t.Errorf("the frame is not as in %s (-want +got):\n%s", path, diff)
	}
}
