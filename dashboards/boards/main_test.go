package main

import (
	"bytes"
	"os"
	"testing"
)

func TestFileIsWhatTheBoardsSay(t *testing.T) {
	want, err := generate()
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile("../opensearch/muster.ndjson")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("opensearch/muster.ndjson is not what the boards say: run go generate ./dashboards")
	}
}
