package main

import (
	"net"
	"net/http"
	"os"
	"syscall"
	"testing"
	"time"

	"muster/stores/lake"
	"muster/stores/opensearch"
)

// BenchmarkFollow is what following costs muster itself: an OpenSearch that takes
// everything at once and keeps nothing gets the lake that a run of the bench has
// left in MUSTER_BENCH_LAKE. For profiles, as BenchmarkImport.
func BenchmarkFollow(b *testing.B) {
	folder := os.Getenv("MUSTER_BENCH_LAKE")
	if folder == "" {
		b.Skip("MUSTER_BENCH_LAKE names no lake")
	}
	listener, err := (&net.ListenConfig{}).Listen(b.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	t := &tape{forgets: true}
	server := &http.Server{Handler: t, ReadHeaderTimeout: time.Minute}
	go func() { _ = server.Serve(listener) }() // ends with Close
	b.Cleanup(func() { _ = server.Close() })
	b.ReportAllocs()
	before := ownCPU(b)
	for b.Loop() {
		l, err := lake.Open(b.Context(), folder, lake.Options{ReadOnly: true})
		if err != nil {
			b.Fatal(err)
		}
		s, err := opensearch.Open(opensearch.Options{Address: opensearch.Address{URL: "http://" + listener.Addr().String()}})
		if err != nil {
			b.Fatal(err)
		}
		if _, err := s.CatchUp(b.Context(), l); err != nil {
			b.Fatal(err)
		}
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
		if err := l.Close(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64((ownCPU(b)-before).Microseconds())/float64(t.items), "cpu-µs/document")
}

func ownCPU(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
