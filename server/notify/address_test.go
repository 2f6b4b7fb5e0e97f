package notify

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// forbidden leads nowhere that an outgoing webhook may go, wherever it comes from.
var forbidden = []string{
	// this machine
	"127.0.0.1", "127.0.0.2", "127.255.255.254", "::1", "0.0.0.0", "0.1.2.3", "::",
	// private networks
	"10.0.0.1", "10.255.255.255", "172.16.0.1", "172.31.255.255", "192.168.0.1", "192.168.255.255",
	"100.64.0.1", "100.127.255.255", "fc00::1", "fd12:3456::1", "fdff:ffff::1",
	// link-local, site-local, multicast, broadcast, reserved
	"169.254.0.1", "169.254.255.255", "fe80::1", "febf::1", "fec0::1", "224.0.0.1", "239.255.255.255", "ff02::1", "ff0e::1",
	"255.255.255.255", "240.0.0.1", "254.1.2.3",
	// metadata services
	"169.254.169.254", "169.254.170.2", "100.100.100.200", "192.0.0.192", "168.63.129.16", "fd00:ec2::254", "fd20:ce::254",
	// IPv4-mapped, also as hex
	"::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::ffff:7f00:1", "::ffff:c0a8:101", "::ffff:0:0",
	// IPv4-compatible, IPv4-translated, NAT64, local NAT64, 6to4, Teredo, ISATAP of link-local
	"::7f00:1", "::127.0.0.1", "::ffff:0:127.0.0.1", "64:ff9b::7f00:1", "64:ff9b::10.0.0.1", "64:ff9b::8.8.8.8", "64:ff9b:1::a00:1",
	"2002:7f00:1::", "2002:a00:1::1", "2001:0:7f00:1::", "2001::1", "fe80::5efe:7f00:1",
	// documentation, benchmarks, protocol assignments, discard, segment routing
	"192.0.2.1", "198.51.100.7", "203.0.113.9", "192.0.0.1", "192.88.99.1", "198.18.0.1", "198.19.255.255",
	"2001:db8::1", "2001:10::1", "2001:20::1", "3fff::1", "100::1", "5f00::1", "4000::1", "e000::1",
}

var public = []string{"8.8.8.8", "1.1.1.1", "172.15.255.255", "172.32.0.1", "100.63.255.255", "100.128.0.1", "169.253.1.1", "2606:4700:4700::1111", "2a00:1450:4001::200e"}

func TestAddresses(t *testing.T) {
	for _, s := range forbidden {
		require.False(t, dialable(netip.MustParseAddr(s), false), s)
	}
	for _, s := range public {
		require.True(t, dialable(netip.MustParseAddr(s), false), s)
		require.True(t, dialable(netip.MustParseAddr(s), true), s)
	}
	require.False(t, dialable(netip.Addr{}, true))
	require.False(t, dialable(netip.MustParseAddr("2606:4700:4700::1111%eth0"), true))
	require.False(t, dialable(netip.MustParseAddr("::1%lo"), true))
}

// Allowing private networks allows this machine and private networks, and no more.
func TestPrivateAddresses(t *testing.T) {
	for _, s := range []string{"127.0.0.1", "::1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "100.64.0.1", "fd12::1", "::ffff:10.0.0.1"} {
		require.True(t, dialable(netip.MustParseAddr(s), true), s)
	}
	for _, s := range []string{
		"169.254.169.254", "::ffff:169.254.169.254", "100.100.100.200", "168.63.129.16", "fd00:ec2::254", "192.0.0.192",
		"169.254.1.1", "fe80::1", "0.0.0.0", "::", "224.0.0.1", "64:ff9b::a00:1", "2002:7f00:1::", "::7f00:1", "255.255.255.255",
	} {
		require.False(t, dialable(netip.MustParseAddr(s), true), s)
	}
}

func refusedURLs() []string {
	list := []string{
		"", "example.com", "//example.com", "http://example.com", "ftp://example.com", "file:///etc/passwd", "gopher://example.com",
		"https://", "https:///path", "https:example.com", "https://user@example.com", "https://user:pass@example.com", "https://example.com#x", "https://example.com#",
		"https://example.com:80", "https://example.com:8443", "https://example.com:22", "https://example.com:443443", "https://exa mple.com",
		"https://localhost", "https://LOCALHOST", "https://localhost.", "https://a.localhost", "https://a.localhost./x", "http://localhost", "http://127.0.0.1",
		// 127.0.0.1 and 169.254.169.254 as other readers know them
		"https://2130706433", "https://2852039166", "https://0x7f000001", "https://0x7f.1", "https://0177.0.0.1", "https://127.1", "https://127.0.1",
		"https://0", "https://0x", "https://127.0.0.01", "https://127.0.0.1.", "https://0x7f.0x0.0x0.0x1", "https://99999999999999999999999",
		"https://example.0x1", "https://1.2.3.4.5", "https://[fe80::1%25eth0]", "https://[::1%251]",
		"https://" + strings.Repeat("a", maxURL), "https://exam\nple.com", "https://%31%32%37.0.0.1",
	}
	for _, a := range forbidden {
		if strings.Contains(a, ":") {
			a = "[" + a + "]"
		}
		list = append(list, "https://"+a, "https://"+a+":443/hook")
	}
	return list
}

func TestURLs(t *testing.T) {
	n := &Notifier{}
	for _, raw := range refusedURLs() {
		_, err := n.checkURL(raw)
		require.ErrorIs(t, err, ErrURL, "%q", raw)
	}
	for _, raw := range []string{
		"https://example.com", "https://example.com/a?b=c", "https://example.com:443", "https://8.8.8.8/x", "https://[2606:4700:4700::1111]",
		"https://1e100.net", "https://xn--mnchen-3ya.de", "HTTPS://EXAMPLE.COM", "https://10.example.com", "https://localhost.example.com",
	} {
		_, err := n.checkURL(raw)
		require.NoError(t, err, raw)
	}
	n.cfg.AllowPrivate = true
	for _, raw := range []string{"http://127.0.0.1:8080", "http://localhost:8080", "http://[::1]:1", "https://10.0.0.1:8443", "https://crm.internal:8443"} {
		_, err := n.checkURL(raw)
		require.NoError(t, err, raw)
	}
	for _, raw := range []string{"http://10.0.0.1", "http://crm.internal", "https://169.254.169.254", "https://2130706433", "http://0x7f.1", "https://user@10.0.0.1"} {
		_, err := n.checkURL(raw)
		require.ErrorIs(t, err, ErrURL, raw)
	}
}

// names answers look-ups from a table, the answers of a name one after the other.
type names struct {
	mu      sync.Mutex
	answers map[string][][]string
	asked   int
}

func (n *names) LookupNetIP(_ context.Context, network, host string) ([]netip.Addr, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.asked++
	list := n.answers[host]
	if network != "ip" || len(list) == 0 {
		return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	}
	if len(list) > 1 {
		n.answers[host] = list[1:]
	}
	var out []netip.Addr
	for _, a := range list[0] {
		out = append(out, netip.MustParseAddr(a))
	}
	return out, nil
}

// dialled records where a dialer would have connected to.
func dialled(d *dialer) *[]string {
	var list []string
	d.dial = func(_ context.Context, _, address string) (net.Conn, error) {
		list = append(list, address)
		return nil, errors.New("unreachable")
	}
	return &list
}

// Whatever a name leads to, no connection is made to a forbidden address.
func TestDialerGoesToCheckedAddressesOnly(t *testing.T) {
	table := &names{answers: map[string][][]string{
		"good.example":  {{"8.8.8.8", "2606:4700:4700::1111"}},
		"mixed.example": {{"127.0.0.1", "8.8.8.8", "::1", "169.254.169.254"}},
		"empty.example": {{}},
	}}
	for _, a := range forbidden {
		table.answers[strings.NewReplacer(":", "-", ".", "-").Replace(a)+".evil.example"] = [][]string{{a}}
	}
	d := &dialer{resolver: table}
	where := dialled(d)
	for host := range table.answers {
		_, err := d.DialContext(t.Context(), "tcp", net.JoinHostPort(host, "443"))
		require.Error(t, err)
		if strings.HasSuffix(host, ".evil.example") || host == "empty.example" {
			require.ErrorIs(t, err, ErrForbiddenAddress, host)
		}
	}
	for _, a := range forbidden {
		_, err := d.DialContext(t.Context(), "tcp", net.JoinHostPort(a, "443"))
		require.ErrorIs(t, err, ErrForbiddenAddress, a)
	}
	require.ElementsMatch(t, []string{"8.8.8.8:443", "[2606:4700:4700::1111]:443", "8.8.8.8:443"}, *where)
	*where = nil
	for _, port := range []string{"80", "22", "0", "70000", "http"} {
		_, err := d.DialContext(t.Context(), "tcp", net.JoinHostPort("good.example", port))
		require.ErrorIs(t, err, ErrForbiddenAddress, port)
	}
	_, err := d.DialContext(t.Context(), "tcp", "nowhere.example:443")
	var dns *net.DNSError
	require.ErrorAs(t, err, &dns)
	require.Empty(t, *where)
}

// A DNS server that answers differently each time (rebinding) is asked once for a
// connection, and its second answer is checked like the first.
func TestRebinding(t *testing.T) {
	table := &names{answers: map[string][][]string{"rebind.example": {{"8.8.8.8"}, {"127.0.0.1"}}}}
	d := &dialer{resolver: table}
	where := dialled(d)
	_, _ = d.DialContext(t.Context(), "tcp", "rebind.example:443")
	require.Equal(t, 1, table.asked)
	_, err := d.DialContext(t.Context(), "tcp", "rebind.example:443")
	require.ErrorIs(t, err, ErrForbiddenAddress)
	require.Equal(t, []string{"8.8.8.8:443"}, *where)
}

// The whole way, on sockets: a name that leads to this machine gets nothing, and
// a proxy of the environment is not asked to do it.
func TestNameThatLeadsHereGetsNothing(t *testing.T) {
	h, r := newHouse(t), newReceiver(t)
	t.Setenv("HTTPS_PROXY", r.URL)
	t.Setenv("HTTP_PROXY", r.URL)
	n := h.notifier(t, func(c *Config) {
		c.AllowPrivate = false
		c.Resolver = &names{answers: map[string][][]string{"evil.example": {{"127.0.0.1"}}}}
	})
	stop := start(t, n)
	require.Nil(t, n.transport.Proxy)
	s := h.subscribe(t, n, "https://evil.example/hook", "call.")
	h.add(t, "call.one")
	require.Eventually(t, func() bool { return h.subscription(t, n, s.ID).State == Failing }, 5*time.Second, time.Millisecond)
	stop()
	require.Equal(t, "the host leads to a forbidden address", h.subscription(t, n, s.ID).Problem)
	require.Empty(t, r.deliveries())
}

// The words of an error hold the address, which may hold a credential.
func TestProblemsAreInOurWords(t *testing.T) {
	for want, err := range map[string]error{
		"no answer within 5 seconds":            context.DeadlineExceeded,
		"the host is not known":                 &net.DNSError{Err: "no such host"},
		"the connection failed":                 errors.New("https://example.com/T0KEN refused"),
		"the host leads to a forbidden address": &net.OpError{Err: ErrForbiddenAddress},
	} {
		require.Equal(t, want, name(err))
	}
}

// A receiver that never answers costs five seconds.
func TestHangingReceiver(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for the five seconds")
	}
	h, r := newHouse(t), newReceiver(t)
	release := make(chan struct{})
	r.answers = append(r.answers, func(http.ResponseWriter) { <-release })
	t.Cleanup(func() { close(release) }) // before the receiver closes
	n := h.notifier(t)
	began := time.Now()
	a := n.post(t.Context(), r.URL, make([]byte, keySize), "1", []byte("{}"))
	require.Equal(t, "no answer within 5 seconds", a.problem)
	require.WithinDuration(t, began.Add(postTimeout), time.Now(), 3*time.Second)
}

// Of an answer that never ends 64 kB are read.
func TestEndlessAnswer(t *testing.T) {
	h, r := newHouse(t), newReceiver(t)
	r.answers = append(r.answers, func(w http.ResponseWriter) {
		for {
			if _, err := w.Write(make([]byte, 32<<10)); err != nil {
				return
			}
		}
	})
	n := h.notifier(t)
	began := time.Now()
	require.True(t, n.post(t.Context(), r.URL, make([]byte, keySize), "1", []byte("{}")).taken)
	require.Less(t, time.Since(began), 3*time.Second)
	n.transport.CloseIdleConnections()
}

func FuzzURL(f *testing.F) {
	for _, s := range refusedURLs() {
		f.Add(s)
	}
	f.Add("https://example.com/x")
	n := &Notifier{}
	f.Fuzz(func(t *testing.T, raw string) {
		u, err := n.checkURL(raw)
		if err != nil {
			require.ErrorIs(t, err, ErrURL)
			return
		}
		require.Equal(t, "https", u.Scheme)
		if ip, err := netip.ParseAddr(u.Hostname()); err == nil {
			require.True(t, dialable(ip, false))
		}
	})
}
