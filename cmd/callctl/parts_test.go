package main

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestPartsStopNewestFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var order []string
		p := newParts(slog.New(slog.DiscardHandler), time.Second)
		for _, name := range []string{"log", "bridge", "http"} {
			p.start(t.Context(), name, func(ctx context.Context) error {
				<-ctx.Done()
				order = append(order, name)
				return ctx.Err()
			})
		}
		require.NoError(t, p.stop())
		require.Equal(t, []string{"http", "bridge", "log"}, order)
	})
}

func TestPartsSayWhoFailed(t *testing.T) {
	errDisk := errors.New("disk full")
	synctest.Test(t, func(t *testing.T) {
		p := newParts(slog.New(slog.DiscardHandler), time.Second)
		p.start(t.Context(), "log", func(context.Context) error { return errDisk })
		err := p.wait(t.Context())
		require.ErrorIs(t, err, errDisk)
		require.ErrorContains(t, err, "log")
		require.ErrorIs(t, p.stop(), errDisk)

		p.start(t.Context(), "http", func(context.Context) error { return nil })
		require.ErrorIs(t, p.wait(t.Context()), errEndedEarly)
	})
}

func TestPartsDoNotWaitForever(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		p := newParts(slog.New(slog.DiscardHandler), time.Second)
		p.start(t.Context(), "stuck", func(context.Context) error { <-release; return nil })
		began := time.Now()
		require.ErrorIs(t, p.stop(), errStuck)
		require.Equal(t, time.Second, time.Since(began))
		close(release)
		synctest.Wait()
	})
}
