//go:build engines

package engines

import (
	"context"
	"errors"
	"fmt"
	"os"
	"testing"

	"muster/internal/engines"
)

// engine is the Trino behind the stand-in's Athena, for all tests here.
var engine *engines.Trino

func TestMain(m *testing.M) {
	code, err := withTrino(m.Run)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func withTrino(run func() int) (code int, err error) {
	ctx := context.Background()
	moto, err := engines.StartMoto(ctx)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, moto.Close()) }()
	if engine, err = engines.StartTrino(ctx, moto); err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, engine.Close()) }()
	return run(), nil
}
