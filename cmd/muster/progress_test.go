package main

import (
	"regexp"
	"strings"
	"testing"
	"time"
)

// TestProgressIsToldByLines: where the output is no terminal, also while nothing
// happens, and no more once it has ended.
func TestProgressIsToldByLines(t *testing.T) {
	var out output
	a := app{stderr: &out, progressEvery: time.Millisecond}
	p := a.progressOf("collect")
	waitFor(t, "a line before anything is told", func() string {
		return regexp.MustCompile(`(?m)^collect: nothing yet \(after \S+\)$`).FindString(out.String())
	})
	p.tell("a bar ", "collect: 7 records read")
	waitFor(t, "what was told", func() string {
		return regexp.MustCompile(`(?m)^collect: 7 records read \(after \S+\)$`).FindString(out.String())
	})
	p.end()
	p.end()
	text := out.String()
	if strings.Contains(text, "bar") || strings.Contains(text, "\x1b") {
		t.Errorf("it is drawn as on a terminal:\n%q", text)
	}
	silent := app{stderr: &out}
	silent.progressOf("import").end()
	if out.String() != text {
		t.Errorf("it went on:\n%q", out.String()[len(text):])
	}
}
