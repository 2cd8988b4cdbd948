package main

import (
	"context"
	"time"

	"github.com/spf13/pflag"

	"muster/stores/lake"
)

const (
	// upkeepEvery is how often the daemon looks after the lake: days close once
	// a day.
	upkeepEvery = 24 * time.Hour
	// upkeepDelay is how long after its start it does so first: a daemon that is
	// started anew each day must come to it, and has streams to catch up with.
	upkeepDelay = 5 * time.Minute
)

// upkeepFlags say how the daemon looks after the lake.
type upkeepFlags struct {
	retention retentionFlags
	every     time.Duration
}

func (f *upkeepFlags) register(fs *pflag.FlagSet) {
	atLeast(fs, &f.every, "upkeep-every", 0, upkeepEvery, "time between two rounds of compacting closed days and applying --keep; 0 for none")
	f.retention.register(fs)
}

// upkeep looks after a lake beside its daemon.
type upkeep struct {
	app       *app
	store     *lake.Lake
	retention lake.Retention
	every     time.Duration // 0: never
	delay     time.Duration
}

// run works until ctx ends. What does not work out is told and tried again in
// the next round: evidence is collected all the same.
func (u *upkeep) run(ctx context.Context) error {
	if u.every == 0 {
		return nil
	}
	timer := time.NewTimer(u.delay)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		}
		if err := u.round(ctx); err != nil && ctx.Err() == nil {
			u.app.logger().WarnContext(ctx, "the lake was not looked after; the next round tries again", "error", err)
		}
		timer.Reset(u.every)
	}
}

// round drops what is kept no longer before it compacts the rest.
func (u *upkeep) round(ctx context.Context) error {
	log := u.app.logger()
	done, err := u.store.Expire(ctx, u.retention)
	if err != nil {
		return err
	}
	log.InfoContext(ctx, "retention applied", "days", done.Days, "rows", done.Rows, "snapshots", done.Snapshots, "orphans", done.Orphans)
	return u.store.Compact(ctx, lake.Compaction{Each: func(p lake.CompactedPart) error {
		log.InfoContext(ctx, "day compacted", "kind", p.Kind, "day", p.Day,
			"files_before", p.FilesBefore, "files_after", p.FilesAfter, "rows", p.Rows, "busy", p.Busy)
		return nil
	}})
}
