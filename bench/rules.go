package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"muster/audit/sigma"
	"muster/internal/document"
	filterpattern "muster/internal/pattern"
)

// rulesVerb measures how many CloudTrail events a second policies judge.
const rulesVerb = "rules"

const (
	// rulesAsked is how many rules and patterns the target is stated for.
	rulesAsked = 60
	// rulesBlock is how many events are made at a time, which is not measured,
	// and then decoded and judged, which is: 1.3 MB of JSON, as an audit holds
	// hardly more than one event at a time.
	rulesBlock = 1000
)

// rulesBench judges recorded events over and over, each time under other ids.
type rulesBench struct {
	muster, folder, corpus string
	events                 int
	peer, lake             bool
	out                    io.Writer

	recorded [][]byte
}

func runRules(ctx context.Context, args []string, out io.Writer) error {
	b := rulesBench{out: out, corpus: os.Getenv("MUSTER_CORPUS")}
	if b.corpus == "" {
		b.corpus = filepath.Join("..", "shared", "data")
	}
	f := flag.NewFlagSet("bench "+rulesVerb, flag.ContinueOnError)
	f.StringVar(&b.muster, "muster", filepath.Join("bin", "muster"), "the program that imports the lake")
	f.StringVar(&b.folder, "folder", filepath.Join(".cache", "bench"), "where the lake goes, which stays for the next time")
	f.IntVar(&b.events, "events", 1_000_000, "how many events are judged")
	f.BoolVar(&b.peer, "peer", true, "run the same rules on the same events in sigma-go, too, and compare the hits")
	f.BoolVar(&b.lake, "lake", true, "judge the same events in a lake, too")
	if err := f.Parse(args); err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Join(b.corpus, "sigma-aws")); errors.Is(err, os.ErrNotExist) {
		fmt.Fprintf(out, "NOTE: no recorded events and rules at %s (MUSTER_CORPUS names their folder), so that no rules are measured\n", b.corpus)
		return nil
	}
	runtime.GOMAXPROCS(1) // events a second on one core
	return b.measure(ctx)
}

func (b *rulesBench) measure(ctx context.Context) error {
	if err := b.read(); err != nil {
		return err
	}
	rules, files, err := b.rules()
	if err != nil {
		return err
	}
	patterns, err := b.patterns()
	if err != nil {
		return err
	}
	fmt.Fprintf(b.out, "%d events of CloudTrail, %d of them recorded, each time under another id; by CPU seconds of one core\n", b.events, len(b.recorded))
	fmt.Fprintf(b.out, "%-44s %14s %14s %10s\n", "events/s", "decoded", "from evidence", "hits")
	ours := conditionsOf(rules)
	sixty, err := b.judge(ours)
	if err != nil {
		return err
	}
	b.print(fmt.Sprintf("muster, %d Sigma rules", len(ours)), sixty)
	cis, err := b.judge(patterns)
	if err != nil {
		return err
	}
	b.print(fmt.Sprintf("muster, %d filter patterns", len(patterns)), cis)
	if err := b.policies(ctx); err != nil {
		return err
	}
	if !b.peer {
		return nil
	}
	return b.besides(ctx, files, sixty)
}

// tally is what one engine took, and which rule was true of which event.
type rulesTally struct {
	Decode, Match time.Duration // CPU time
	Hits          []int         // by rule
	Digests       []uint64      // by rule, of the numbers of the events that it hit
	Failed        []int         // by rule, the events on which the engine failed
}

func newRulesTally(rules int) rulesTally {
	return rulesTally{Hits: make([]int, rules), Digests: make([]uint64, rules)}
}

// hit notes that a rule is true of an event; a digest is FNV-1a.
func (t *rulesTally) hit(event, rule int) {
	t.Hits[rule]++
	var number [8]byte
	binary.LittleEndian.PutUint64(number[:], uint64(event))
	for _, c := range number {
		t.Digests[rule] = (t.Digests[rule] ^ uint64(c)) * 1099511628211
	}
}

func (b *rulesBench) print(name string, t rulesTally) {
	hits := 0
	for _, n := range t.Hits {
		hits += n
	}
	fmt.Fprintf(b.out, "%-44s %14.0f %14.0f %10d\n", name,
		float64(b.events)/t.Match.Seconds(), float64(b.events)/(t.Match+t.Decode).Seconds(), hits)
}

// judge holds all events against conditions, with reading them and without.
func (b *rulesBench) judge(cs []document.Condition) (rulesTally, error) {
	set := document.NewSet("eventSource", "eventName", cs)
	t := newRulesTally(len(cs))
	docs := make([]document.Document, rulesBlock)
	texts := make([]string, 0, rulesBlock)
	hits := make([][]int, rulesBlock)
	for first := 0; first < b.events; first += rulesBlock {
		texts = texts[:0]
		for i := first; i < min(first+rulesBlock, b.events); i++ {
			texts = append(texts, string(b.event(i)))
		}
		begun := cpuTime()
		for i, text := range texts {
			if err := docs[i].Parse(text); err != nil {
				return t, err
			}
		}
		decoded := cpuTime()
		for i := range texts {
			hits[i] = hits[i][:0]
			set.Match(&docs[i], func(rule int) { hits[i] = append(hits[i], rule) })
		}
		t.Decode, t.Match = t.Decode+decoded-begun, t.Match+cpuTime()-decoded
		for i := range texts {
			slices.Sort(hits[i])
			for _, rule := range hits[i] {
				t.hit(first+i, rule)
			}
		}
	}
	return t, nil
}

// cpuTime is what this process has used of the processors.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err) // of one's own usage there is always an answer
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// read reads the recorded events, each as one line of JSON.
func (b *rulesBench) read() error {
	for _, set := range []string{"invictus", "stratus"} {
		names, err := filepath.Glob(filepath.Join(b.corpus, "cloudtrail-"+set, "*.json"))
		if err != nil {
			return err
		}
		for _, name := range names {
			if filepath.Base(name) == "expected_facts.json" {
				continue
			}
			text, err := os.ReadFile(name)
			if err != nil {
				return err
			}
			var file struct{ Records []json.RawMessage }
			if json.Unmarshal(text, &file.Records) != nil && json.Unmarshal(text, &file) != nil {
				return fmt.Errorf("%s is no CloudTrail file", name)
			}
			for _, doc := range file.Records {
				var line bytes.Buffer
				if err := json.Compact(&line, doc); err != nil {
					return fmt.Errorf("%s: %w", name, err)
				}
				b.recorded = append(b.recorded, line.Bytes())
			}
		}
	}
	if len(b.recorded) == 0 {
		return fmt.Errorf("no CloudTrail files in %s", b.corpus)
	}
	return nil
}

// ownIDs are the ids that no two events share.
var ownIDs = [][]byte{[]byte(`"eventID":"`), []byte(`"requestID":"`)}

// event is the event of a number: a recorded one under ids of its own.
func (b *rulesBench) event(number int) []byte {
	doc := slices.Clone(b.recorded[number%len(b.recorded)])
	for _, key := range ownIDs {
		if _, id, ok := bytes.Cut(doc, key); ok { // id lies in doc
			copy(id[:bytes.IndexByte(id, '"')], fmt.Sprintf("%08x", number))
		}
	}
	return doc
}

// rules are SigmaHQ's, over and over until they are sixty, and their files'
// names. Copies are harder on the index than sixty different ones: all of them
// are candidates of the same events.
func (b *rulesBench) rules() (rules []*sigma.Rule, files []string, err error) {
	names, err := filepath.Glob(filepath.Join(b.corpus, "sigma-aws", "*.yml"))
	if err != nil {
		return nil, nil, err
	}
	for len(rules) < rulesAsked {
		name := names[len(rules)%len(names)]
		text, err := os.ReadFile(name)
		if err != nil {
			return nil, nil, err
		}
		one, err := sigma.Parse(filepath.Base(name), text, nil)
		if err != nil {
			return nil, nil, err
		}
		if len(one) != 1 {
			return nil, nil, fmt.Errorf("%s has %d rules, not one", name, len(one))
		}
		rules, files = append(rules, one...), append(files, name)
	}
	return rules, files, nil
}

func conditionsOf(rules []*sigma.Rule) []document.Condition {
	var out []document.Condition
	for _, r := range rules {
		out = append(out, r.Condition)
	}
	return out
}

// patterns are the CIS benchmark's and the published variants of them.
func (b *rulesBench) patterns() ([]document.Condition, error) {
	var out []document.Condition
	for _, name := range []string{"cis_1_5_section4.json", "variants.json"} {
		text, err := os.ReadFile(filepath.Join(b.corpus, "cis-metric-filters", name))
		if err != nil {
			return nil, err
		}
		var list []struct{ Pattern string }
		if err := json.Unmarshal(text, &list); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		for _, one := range list {
			// Some variants are no patterns at all; what is read is sixty.
			if p, err := filterpattern.Parse(one.Pattern); err == nil && len(out) < rulesAsked {
				out = append(out, p.Condition())
			}
		}
	}
	return out, nil
}

// besides runs sigma-go on the same rules and events, and compares the hits.
func (b *rulesBench) besides(ctx context.Context, files []string, ours rulesTally) error {
	program, err := buildSigmaGo(ctx, b.folder)
	if err != nil {
		return err
	}
	for _, mode := range []string{"alone", "bundle"} {
		theirs, err := b.sigmaGo(ctx, program, mode, files)
		if err != nil {
			return err
		}
		b.print("sigma-go "+sigmaGoVersion+", rules "+map[string]string{"alone": "one by one", "bundle": "in a bundle"}[mode], theirs)
		b.sameHits(ours, theirs, files)
	}
	return nil
}

// sameHits compares the hits rule by rule and event by event, of all rules that
// the peer can evaluate. Where the two differ, the tests of audit/sigma say what two
// other engines find.
func (b *rulesBench) sameHits(ours, theirs rulesTally, files []string) {
	var unlike, failed []string
	same := 0
	for i, name := range files {
		name = filepath.Base(name)
		switch {
		case theirs.Failed[i] > 0:
			if line := fmt.Sprintf("%s on %d events", name, theirs.Failed[i]); !slices.Contains(failed, line) {
				failed = append(failed, line)
			}
		case ours.Hits[i] != theirs.Hits[i] || ours.Digests[i] != theirs.Digests[i]:
			unlike = append(unlike, fmt.Sprintf("%s: muster %d, sigma-go %d", name, ours.Hits[i], theirs.Hits[i]))
		default:
			same++
		}
	}
	fmt.Fprintf(b.out, "  %d rules hit the same events", same)
	if len(failed) > 0 {
		fmt.Fprintf(b.out, "; sigma-go cannot evaluate %s", strings.Join(failed, ", "))
	}
	if len(unlike) > 0 {
		fmt.Fprintf(b.out, "; the hits differ of %s", strings.Join(slices.Compact(unlike), ", "))
	}
	fmt.Fprintln(b.out)
}

// lines writes all events, one a line.
func (b *rulesBench) lines(w io.Writer) error {
	out := bufio.NewWriterSize(w, 1<<20)
	for i := range b.events {
		if _, err := out.Write(append(b.event(i), '\n')); err != nil {
			return err
		}
	}
	return out.Flush()
}
