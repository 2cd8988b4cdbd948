// Command sigmago is the peer of "bench rules": it holds events from standard
// input, one a line, against Sigma rules with sigma-go, and prints the CPU time
// that this took and the hits, as JSON. It is a module of its own, so that
// muster does not depend on sigma-go.
package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/bradleyjkemp/sigma-go"
	"github.com/bradleyjkemp/sigma-go/evaluator"
)

func main() {
	runtime.GOMAXPROCS(1)
	if len(os.Args) < 4 {
		fmt.Fprintln(os.Stderr, "usage: sigmago alone|bundle BLOCK RULE...")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2], os.Args[3:]); err != nil {
		fmt.Fprintln(os.Stderr, "sigmago:", err)
		os.Exit(1)
	}
}

// tally is as in the bench.
type tally struct {
	Decode, Match time.Duration
	Hits          []int
	Digests       []uint64
	Failed        []int
}

func (t *tally) hit(event, rule int) {
	t.Hits[rule]++
	var number [8]byte
	binary.LittleEndian.PutUint64(number[:], uint64(event))
	for _, c := range number {
		t.Digests[rule] = (t.Digests[rule] ^ uint64(c)) * 1099511628211
	}
}

// matcher says which rules are true of an event, in their order, and which it
// failed to evaluate.
type matcher func(event map[string]any, hit, failed func(rule int))

func run(mode, size string, files []string) error {
	block, err := strconv.Atoi(size)
	if err != nil {
		return err
	}
	var rules []sigma.Rule
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		r, err := sigma.ParseRule(text)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		r.ID = strconv.Itoa(len(rules)) // a bundle leaves out what it fails on
		rules = append(rules, r)
	}
	compile := alone
	if mode == "bundle" {
		compile = bundle
	}
	t := tally{Hits: make([]int, len(rules)), Digests: make([]uint64, len(rules)), Failed: make([]int, len(rules))}
	in := bufio.NewReaderSize(os.Stdin, 1<<20)
	first := 0
	for {
		lines, err := read(in, block)
		if err != nil {
			return err
		}
		if len(lines) == 0 {
			return json.NewEncoder(os.Stdout).Encode(t)
		}
		// A bundle remembers each text that it ever saw, by its address: a new one
		// for each block keeps it within memory.
		if err := t.judge(compile(rules), lines, first); err != nil {
			return err
		}
		first += len(lines)
	}
}

func read(in *bufio.Reader, most int) ([][]byte, error) {
	var lines [][]byte
	for len(lines) < most {
		line, err := in.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		lines = append(lines, line)
	}
	return lines, nil
}

func (t *tally) judge(match matcher, lines [][]byte, first int) error {
	events := make([]map[string]any, len(lines))
	begun := cpu()
	for i, line := range lines {
		if err := json.Unmarshal(line, &events[i]); err != nil {
			return err
		}
	}
	decoded := cpu()
	hits := make([][]int, len(lines))
	for i, e := range events {
		match(e, func(rule int) { hits[i] = append(hits[i], rule) }, func(rule int) { t.Failed[rule]++ })
	}
	t.Decode, t.Match = t.Decode+decoded-begun, t.Match+cpu()-decoded
	for i, rules := range hits {
		for _, rule := range rules {
			t.hit(first+i, rule)
		}
	}
	return nil
}

func alone(rules []sigma.Rule) matcher {
	var all []*evaluator.RuleEvaluator
	for _, r := range rules {
		all = append(all, evaluator.ForRule(r, evaluator.WithConfig(nested(r))))
	}
	return func(event map[string]any, hit, failed func(int)) {
		for i, e := range all {
			r, err := e.Matches(context.Background(), event)
			switch {
			case err != nil:
				failed(i)
			case r.Match:
				hit(i)
			}
		}
	}
}

func bundle(rules []sigma.Rule) matcher {
	all := evaluator.ForRules(rules, evaluator.WithConfig(nested(rules...)))
	return func(event map[string]any, hit, failed func(int)) {
		rs, _ := all.Matches(context.Background(), event) // what fails is missing
		next := 0
		for _, r := range rs {
			at, _ := strconv.Atoi(r.ID)
			for ; next < at; next++ {
				failed(next)
			}
			next = at + 1
			if r.Match {
				hit(at)
			}
		}
		for ; next < len(rules); next++ {
			failed(next)
		}
	}
}

// nested maps fields of members below the top to where they are: without it
// sigma-go takes a dot for a part of the name.
func nested(rules ...sigma.Rule) sigma.Config {
	c := sigma.Config{FieldMappings: map[string]sigma.FieldMapping{}}
	for _, r := range rules {
		for _, s := range r.Detection.Searches {
			for _, m := range s.EventMatchers {
				for _, f := range m {
					if strings.Contains(f.Field, ".") {
						c.FieldMappings[f.Field] = sigma.FieldMapping{TargetNames: []string{"$." + f.Field}}
					}
				}
			}
		}
	}
	return c
}

func cpu() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
