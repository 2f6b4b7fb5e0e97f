package sipbridge

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"os"

	"github.com/emiago/sipgo/sip"
)

// redactor lets sipgo log what happened but not what was on the wire: raw
// packets, start lines and URIs carry phone numbers, and whatever an attacker
// wrote. Only attributes known to be harmless pass; errors are reduced to their
// class.
type redactor struct{ next slog.Handler }

// Enabled implements slog.Handler.
func (h redactor) Enabled(ctx context.Context, l slog.Level) bool {
	return l >= slog.LevelInfo && h.next.Enabled(ctx, l)
}

// Handle implements slog.Handler.
func (h redactor) Handle(ctx context.Context, r slog.Record) error {
	level := min(r.Level, slog.LevelWarn)
	out := slog.NewRecord(r.Time, level, "sip stack: "+r.Message, r.PC)
	r.Attrs(func(a slog.Attr) bool {
		if kept, ok := harmless(a); ok {
			out.AddAttrs(kept)
		}
		return true
	})
	return h.next.Handle(ctx, out)
}

// WithAttrs implements slog.Handler.
func (h redactor) WithAttrs(attrs []slog.Attr) slog.Handler {
	var kept []slog.Attr
	for _, a := range attrs {
		if k, ok := harmless(a); ok {
			kept = append(kept, k)
		}
	}
	return redactor{next: h.next.WithAttrs(kept)}
}

// WithGroup implements slog.Handler.
func (h redactor) WithGroup(name string) slog.Handler {
	return redactor{next: h.next.WithGroup(name)}
}

func harmless(a slog.Attr) (slog.Attr, bool) {
	switch a.Key {
	case "caller", "network", "laddr", "dur":
		return a, true
	case "error":
		if err, ok := a.Value.Any().(error); ok {
			return slog.String("error_class", errorClass(err)), true
		}
	}
	return slog.Attr{}, false
}

func errorClass(err error) string {
	var timeout net.Error
	switch {
	case errors.Is(err, sip.ErrTransactionTimeout), errors.Is(err, os.ErrDeadlineExceeded):
		return "timeout"
	case errors.As(err, &timeout):
		return "network"
	case errors.Is(err, sip.ErrTransactionTransport):
		return "transport"
	case errors.Is(err, sip.ErrTransactionCanceled), errors.Is(err, sip.ErrTransactionTerminated):
		return "terminated"
	default:
		return "other"
	}
}
