package sipbridge

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/emiago/sipgo"
	"github.com/emiago/sipgo/sip"
)

const (
	// giveUp is 64*T1 of RFC 3261: how long a peer may leave us without answer.
	giveUp = 32 * time.Second
	// connIdle is how long a stream connection of the trunk may stay silent; a
	// dialog survives its end, since requests open a new one.
	connIdle  = 30 * time.Minute
	connWrite = 5 * time.Second
	// dialTimeout bounds name look-up and connecting for a request.
	dialTimeout = 5 * time.Second
	// largestUDP is the most a UDP datagram holds. sipgo refuses requests beyond
	// 1,300 bytes; we let the network layer fragment them, as PBXs do.
	largestUDP = 65507
	tagLength  = 20
)

func init() { //nolint:gochecknoinits // sipgo reads these package variables from its goroutines: they are set before any starts
	sip.UDPMTUSize = largestUDP + 200
	sip.SetDefaultLogger(slog.New(slog.DiscardHandler))
}

// socket is one bound SIP address.
type socket struct {
	network string // udp or tcp
	packet  net.PacketConn
	stream  net.Listener
}

func (s socket) addr() net.Addr {
	if s.packet != nil {
		return s.packet.LocalAddr()
	}
	return s.stream.Addr()
}

func (s socket) close() error {
	if s.packet != nil {
		return s.packet.Close()
	}
	return s.stream.Close()
}

// userAgent is our SIP user agent: sockets, transactions, dialogs.
type userAgent struct {
	trunk   peerTrunk
	log     *slog.Logger
	ua      *sipgo.UserAgent
	server  *sipgo.Server
	client  *sipgo.Client
	sockets []socket
	contact sip.Uri
	laddr   sip.Addr // UDP socket to send from
	sources *sources
	dialogs dialogs
	giveUp  time.Duration
	invited func(*uas) // a new call from the PBX; returns once it is someone's

	closed chan struct{}
	mu     sync.Mutex     // orders enter against close
	wg     sync.WaitGroup // handlers and detached requests
}

func newUserAgent(cfg Config, trunk peerTrunk, log *slog.Logger) (*userAgent, error) {
	a := &userAgent{trunk: trunk, log: log, sources: newSources(trunk.host), giveUp: cmp.Or(cfg.giveUp, giveUp), closed: make(chan struct{})}
	a.dialogs.live = map[dialogID]*peer{}
	a.dialogs.invites = map[string]struct{}{}
	if err := a.listen(cfg.Listen); err != nil {
		return nil, errors.Join(err, a.closeSockets())
	}
	if err := a.setContact(cfg.Contact); err != nil {
		return nil, errors.Join(err, a.closeSockets())
	}
	if err := a.build(); err != nil {
		return nil, errors.Join(err, a.closeSockets())
	}
	return a, nil
}

func (a *userAgent) listen(addrs []string) error {
	for _, addr := range addrs {
		u, err := url.Parse(addr)
		if err != nil || u.Host == "" || (u.Scheme != "udp" && u.Scheme != "tcp") {
			return fmt.Errorf("%w: listen address must be udp://host:port or tcp://host:port", ErrConfig)
		}
		s, err := bind(u.Scheme, u.Host)
		if err != nil {
			return fmt.Errorf("sipbridge: listen: %w", err)
		}
		a.sockets = append(a.sockets, s)
	}
	return nil
}

func bind(network, host string) (socket, error) {
	version := "4"
	if ap, err := netip.ParseAddrPort(host); err == nil && ap.Addr().Is6() {
		version = "6"
	}
	var lc net.ListenConfig
	ctx := context.Background()
	if network == "udp" {
		c, err := lc.ListenPacket(ctx, network+version, host)
		return socket{network: network, packet: c}, err
	}
	l, err := lc.Listen(ctx, network+version, host)
	return socket{network: network, stream: l}, err
}

// setContact finds the address that the PBX shall use for us: the socket of the
// trunk's transport, with the configured host or the one that routes to the trunk.
func (a *userAgent) setContact(host string) error {
	for _, s := range a.sockets {
		ap, err := netip.ParseAddrPort(s.addr().String())
		if err != nil || !strings.EqualFold(s.network, a.trunk.transport) {
			continue
		}
		if host == "" {
			host = ap.Addr().String()
			if ap.Addr().IsUnspecified() {
				host = localAddrTo(a.trunk.hostPort())
			}
		}
		if strings.Contains(host, ":") && !strings.HasPrefix(host, "[") {
			host = "[" + host + "]"
		}
		a.contact = sip.Uri{Scheme: "sip", User: "callctl", Host: host, Port: int(ap.Port())}
		if s.network == "tcp" {
			a.contact.UriParams.Add("transport", "tcp")
		} else {
			a.laddr = sip.Addr{IP: net.IP(ap.Addr().AsSlice()), Port: int(ap.Port())}
		}
		return nil
	}
	return fmt.Errorf("%w: no listen address has the trunk's transport", ErrConfig)
}

// localAddrTo is our address on the route to a peer; connecting a UDP socket
// sends nothing.
func localAddrTo(hostPort string) string {
	d := net.Dialer{Timeout: dialTimeout}
	c, err := d.DialContext(context.Background(), "udp", hostPort)
	if err != nil {
		return "127.0.0.1"
	}
	defer c.Close()
	host, _, err := net.SplitHostPort(c.LocalAddr().String())
	if err != nil {
		return "127.0.0.1"
	}
	return host
}

func (a *userAgent) build() error {
	quiet := slog.New(redactor{next: a.log.Handler()})
	ua, err := sipgo.NewUA(
		sipgo.WithUserAgent("callctl"),
		sipgo.WithUserAgentTransportLayerOptions(
			sip.WithTransportLayerLogger(quiet),
			sip.WithTransportLayerReadFilter(a.sources.filter),
			sip.WithTransportLayerTransports(sip.TransportsConfig{
				TCP: &sip.TransportTCP{ReadTimeout: connIdle, WriteTimeout: connWrite},
			}),
		),
		sipgo.WithUserAgentTransactionLayerOptions(
			sip.WithTransactionLayerLogger(quiet),
			sip.WithTransactionLayerUnhandledResponseHandler(a.onStrayResponse),
		),
	)
	if err != nil {
		return fmt.Errorf("sipbridge: sip stack: %w", err)
	}
	a.ua = ua
	if a.server, err = sipgo.NewServer(ua, sipgo.WithServerLogger(quiet)); err != nil {
		return fmt.Errorf("sipbridge: sip server: %w", err)
	}
	if a.client, err = sipgo.NewClient(ua, sipgo.WithClientLogger(quiet)); err != nil {
		return fmt.Errorf("sipbridge: sip client: %w", err)
	}
	a.handle()
	return nil
}

// addrs are the bound addresses as Config.Listen writes them.
func (a *userAgent) addrs() []string {
	out := make([]string, 0, len(a.sockets))
	for _, s := range a.sockets {
		out = append(out, s.network+"://"+s.addr().String())
	}
	return out
}

// serve reads the sockets until close and follows the trunk's addresses until ctx
// ends. failed hears of a socket that ended by itself.
func (a *userAgent) serve(ctx context.Context, failed chan<- error) {
	var wg sync.WaitGroup
	wg.Go(func() { a.sources.run(ctx, a.log) })
	for _, s := range a.sockets {
		wg.Go(func() {
			err := a.serveSocket(s)
			select {
			case <-a.closed:
			case failed <- errors.Join(errSocket, err):
			default:
			}
		})
	}
	wg.Wait()
}

// ready waits until sipgo knows the UDP sockets as its own: a request sent before
// that would try to bind the address again and fail. A socket that breaks
// meanwhile ends the waiting.
func (a *userAgent) ready(ctx context.Context, broken <-chan error) error {
	for _, s := range a.sockets {
		for s.packet != nil {
			c, err := a.ua.TransportLayer().GetConnection("udp", s.addr().String())
			if err == nil {
				_, _ = c.TryClose()
				break
			}
			select {
			case <-ctx.Done():
				return context.Canceled
			case err := <-broken:
				return err
			case <-time.After(time.Millisecond):
			}
		}
	}
	return nil
}

func (a *userAgent) serveSocket(s socket) error {
	if s.packet != nil {
		return a.server.ServeUDP(s.packet)
	}
	return a.server.ServeTCP(trunkListener{Listener: s.stream, sources: a.sources})
}

// close ends every transaction and socket and waits for our handlers; the second
// time it does nothing.
func (a *userAgent) close() error {
	a.mu.Lock()
	select {
	case <-a.closed:
		a.mu.Unlock()
		return nil
	default:
	}
	close(a.closed)
	a.mu.Unlock()
	err := errors.Join(a.ua.Close(), a.closeSockets())
	a.wg.Wait()
	return err
}

func (a *userAgent) closeSockets() error {
	var all error
	for _, s := range a.sockets {
		if err := s.close(); err != nil && !errors.Is(err, net.ErrClosed) {
			all = errors.Join(all, err)
		}
	}
	return all
}

// spawn runs f as a goroutine that close waits for; nothing starts once closed.
func (a *userAgent) spawn(f func()) {
	if a.enter() {
		go func() {
			defer a.wg.Done()
			f()
		}()
	}
}

// enter counts one more goroutine that close waits for; false once closed.
func (a *userAgent) enter() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	select {
	case <-a.closed:
		return false
	default:
		a.wg.Add(1)
		return true
	}
}

func portOf(u sip.Uri) int {
	if u.Port > 0 {
		return u.Port
	}
	return sip.DefaultUdpPort
}

func hostPortOf(u sip.Uri) string {
	return net.JoinHostPort(strings.Trim(u.Host, "[]"), strconv.Itoa(portOf(u)))
}
