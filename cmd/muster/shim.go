package main

import (
	"context"

	"muster/fleet"
	"muster/stores/lake"
)

type shim struct{ *lake.Lake }

func (s shim) Commit(ctx context.Context, c fleet.Commit) (fleet.Snapshot, error) {
	if err := s.Lake.Commit(ctx, c); err != nil {
		return 0, err
	}
	f, err := s.Lake.Fresh(ctx, nil)
	return f.Base, err
}
