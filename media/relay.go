package media

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// Defaults of a RelayConfig.
const (
	DefaultSilenceAfter   = 200 * time.Millisecond // longer than a LAN jitters: what silence replaced is lost
	DefaultMediaTimeout   = 30 * time.Second       // protocol: Meta ends a call after 30 s without media
	DefaultConnectTimeout = 30 * time.Second
)

// RelayConfig is what a Relay needs.
type RelayConfig struct {
	WhatsApp *WebRTCStream
	PBX      *RTPStream
	Log      *slog.Logger
	// SilenceAfter is how long the PBX may send nothing before the relay sends
	// silence of its own to WhatsApp; 0 means 200 ms. A late packet whose place
	// silence has taken is dropped, so it must exceed the jitter of the trunk.
	SilenceAfter time.Duration
	// MediaTimeout ends Run with ErrMediaTimeout when WhatsApp sent nothing for
	// so long; 0 means 30 s.
	MediaTimeout time.Duration
	// ConnectTimeout bounds ICE and DTLS together, from the moment when both
	// descriptions are known; 0 means 30 s.
	ConnectTimeout time.Duration
	// Tap hears what both peers send; nil for nobody.
	Tap Tap
}

// Relay joins the two streams of a call.
type Relay struct {
	cfg      RelayConfig
	startNow sync.Once
	started  atomic.Int64 // Unix nanoseconds of Start, 0 before
	stopping atomic.Bool
	wake     atomic.Bool // the PBX reader has something to do besides packets
}

// RelayStats is both streams of a call.
type RelayStats struct {
	WhatsApp StreamStats `json:"whatsapp"`
	PBX      StreamStats `json:"pbx"`
	Started  time.Time   `json:"started,omitzero"` // when Start was called
}

// NewRelay checks cfg. It transcodes only when the two negotiated codecs differ.
func NewRelay(cfg RelayConfig) (*Relay, error) {
	if cfg.WhatsApp == nil || cfg.PBX == nil {
		return nil, fmt.Errorf("%w: relay: two streams are needed", ErrConfig)
	}
	if cfg.SilenceAfter < 0 || cfg.MediaTimeout < 0 || cfg.ConnectTimeout < 0 {
		return nil, fmt.Errorf("%w: relay: negative duration", ErrConfig)
	}
	if cfg.SilenceAfter == 0 {
		cfg.SilenceAfter = DefaultSilenceAfter
	}
	if cfg.MediaTimeout == 0 {
		cfg.MediaTimeout = DefaultMediaTimeout
	}
	if cfg.ConnectTimeout == 0 {
		cfg.ConnectTimeout = DefaultConnectTimeout
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}

	return &Relay{cfg: cfg}, nil
}

// Start lets media flow towards WhatsApp: called once the provider acknowledged
// accept, or the user accepted our call. The first packet leaves at once
// (silence if the PBX has sent none), because Meta waits for ours (protocol:
// Meta, the business sends first). It may be called before, during or after Run
// connects, and more than once.
func (r *Relay) Start() {
	r.startNow.Do(func() { r.started.Store(time.Now().UnixNano()) })
	r.rouse()
}

// Stats may be called at any time from any goroutine.
func (r *Relay) Stats() RelayStats {
	return RelayStats{
		WhatsApp: r.cfg.WhatsApp.Stats(), PBX: r.cfg.PBX.Stats(), Started: unixNano(r.started.Load()),
	}
}

// Run connects the WhatsApp stream (ICE, DTLS) once it is negotiated and relays
// until ctx ends (then it returns nil) or the media fails: ErrConnect when ICE or
// DTLS did not come up in time, ErrMediaTimeout when WhatsApp fell silent,
// ErrClosed when a stream was closed meanwhile. The PBX stream may get its answer
// while Run is already running. Run is called once. Every goroutine it started has
// ended when it returns; the sockets stay open until the streams are closed.
func (r *Relay) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var readers sync.WaitGroup
	readers.Go(func() { r.read(cancel, newToWhatsApp(r).run) })
	readers.Go(func() { r.read(cancel, newToPBX(r).run) })

	c, err := r.serve(ctx)
	r.stop()
	readers.Wait()
	if c != nil {
		c.close()
	}

	return err
}

// read runs one reader and ends the relay when it fails.
func (r *Relay) read(cancel context.CancelCauseFunc, run func() error) {
	if err := run(); err != nil {
		cancel(err)
	}
}

// serve connects and then watches, until ctx ends or the media fails.
func (r *Relay) serve(ctx context.Context) (*connection, error) {
	w := r.cfg.WhatsApp
	select {
	case <-w.negotiated:
	case <-ctx.Done():
		return nil, ended(ctx)
	}
	connecting, cancel := context.WithTimeout(ctx, r.cfg.ConnectTimeout)
	c, link, err := w.connect(connecting)
	cancel()
	if err != nil {
		if ctx.Err() != nil {
			return c, ended(ctx)
		}

		return c, err
	}
	w.link.Store(link)
	w.readyOnce.Do(func() { close(w.ready) })
	r.cfg.Log.DebugContext(ctx, "media path is up", slog.String("codec", string(w.Codec())))
	r.rouse()

	return c, r.watch(ctx)
}

// ended is nil when the caller ended ctx, and what went wrong otherwise.
func ended(ctx context.Context) error {
	cause := context.Cause(ctx)
	if errors.Is(cause, context.Canceled) || errors.Is(cause, context.DeadlineExceeded) {
		return nil
	}

	return cause
}

// watch looks after the peer's silence.
func (r *Relay) watch(ctx context.Context) error {
	limit := r.cfg.MediaTimeout
	ticker := time.NewTicker(min(max(limit/8, 10*time.Millisecond), time.Second))
	defer ticker.Stop()
	up := time.Now().UnixNano()
	for {
		select {
		case <-ctx.Done():
			return ended(ctx)
		case now := <-ticker.C:
			started := r.started.Load()
			heard := max(up, started, r.cfg.WhatsApp.count.alive.Load())
			if started != 0 && now.UnixNano()-heard > int64(limit) {
				return ErrMediaTimeout
			}
		}
	}
}

// rouse makes the PBX reader look at its clock.
func (r *Relay) rouse() {
	r.wake.Store(true)
	_ = r.cfg.PBX.sock.SetReadDeadline(time.Unix(1, 0)) // a closed socket is noticed by its reader
}

// stop ends both readers.
func (r *Relay) stop() {
	r.stopping.Store(true)
	r.rouse()
	_ = r.cfg.WhatsApp.sock.SetReadDeadline(time.Unix(1, 0))
}

// readError turns a socket's error into what a reader does next: nil, false to go
// on, nil, true to end, or an error.
func (r *Relay) readError(err error) (done bool, _ error) {
	switch {
	case r.stopping.Load():
		return true, nil
	case errors.Is(err, os.ErrDeadlineExceeded):
		return false, nil
	case errors.Is(err, net.ErrClosed):
		return true, ErrClosed
	default:
		return true, fmt.Errorf("media: read a socket: %w", err)
	}
}
