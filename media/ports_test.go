package media

import (
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestNewPortsRefusesWhatCannotWork(t *testing.T) {
	t.Parallel()
	v6 := netip.MustParseAddr("2001:db8::1")
	for name, cfg := range map[string]PortsConfig{
		"no bind address":            {},
		"two families":               {Bind: loopback, Public: v6},
		"public unspecified":         {Bind: netip.IPv4Unspecified()},
		"odd first port":             {Bind: loopback, First: 20001, Last: 20010},
		"empty range":                {Bind: loopback, First: 20002, Last: 20000},
		"half a range":               {Bind: loopback, Last: 20000},
		"internal unspecified":       {Bind: loopback, Internal: netip.IPv4Unspecified()},
		"internal of another family": {Bind: loopback, Internal: v6},
		"multicast as public":        {Bind: loopback, Public: netip.MustParseAddr("224.0.0.1")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := NewPorts(cfg)
			require.ErrorIs(t, err, ErrConfig)
		})
	}
}

// clock is a clock that a test moves.
type clock struct{ now time.Time }

func (c *clock) Now() time.Time { return c.now }

func TestPortsOfARangeAreEvenExhaustibleAndRest(t *testing.T) {
	t.Parallel()
	c := &clock{now: time.Now()}
	p, err := NewPorts(PortsConfig{
		Bind: loopback, Public: netip.MustParseAddr("203.0.113.7"), First: 39000, Last: 39007, Now: c.Now,
	})
	require.NoError(t, err)
	held := map[uint16]*socket{}
	for range 4 {
		s, err := p.open()
		require.NoError(t, err)
		port := s.public.Port()
		require.Zero(t, port%2)
		require.GreaterOrEqual(t, port, uint16(39000))
		require.LessOrEqual(t, port, uint16(39006))
		require.Equal(t, "203.0.113.7", s.public.Addr().String())
		require.NotContains(t, held, port)
		held[port] = s
	}
	require.Equal(t, 4, p.Open())
	_, err = p.open()
	require.ErrorIs(t, err, ErrNoPort)

	require.NoError(t, held[39004].Close())
	require.NoError(t, held[39004].Close(), "twice is fine")
	require.Equal(t, 3, p.Open())
	_, err = p.open()
	require.ErrorIs(t, err, ErrNoPort, "the freed port rests")
	c.now = c.now.Add(DefaultQuarantine - time.Millisecond)
	_, err = p.open()
	require.ErrorIs(t, err, ErrNoPort)
	c.now = c.now.Add(time.Millisecond)
	again, err := p.open()
	require.NoError(t, err)
	require.EqualValues(t, 39004, again.public.Port())
	held[39004] = again
	for _, s := range held {
		require.NoError(t, s.Close())
	}
	require.Zero(t, p.Open())
}

func TestAPortTakenByAnotherProgramIsPassedOver(t *testing.T) {
	t.Parallel()
	other, err := NewPorts(PortsConfig{Bind: loopback, First: 39100, Last: 39100})
	require.NoError(t, err)
	taken, err := other.open()
	require.NoError(t, err)
	defer taken.Close()
	p, err := NewPorts(PortsConfig{Bind: loopback, First: 39100, Last: 39102})
	require.NoError(t, err)
	s, err := p.open()
	require.NoError(t, err)
	defer s.Close()
	require.EqualValues(t, 39102, s.public.Port())
	_, err = p.open()
	require.ErrorIs(t, err, ErrNoPort)
}

func TestAnyPortIsNotReusedWhileItRests(t *testing.T) {
	t.Parallel()
	p := testPorts(t)
	seen := map[uint16]bool{}
	for range 300 {
		s, err := p.open()
		require.NoError(t, err)
		require.False(t, seen[s.public.Port()], "port handed out twice")
		seen[s.public.Port()] = true
		require.NoError(t, s.Close())
	}
	require.Zero(t, p.Open())
}

func TestThePBXIsToldTheInternalAddress(t *testing.T) {
	t.Parallel()
	ports, err := NewPorts(PortsConfig{
		Bind: netip.IPv4Unspecified(), Public: public, Internal: netip.MustParseAddr("192.168.1.7"),
	})
	require.NoError(t, err)
	p, err := NewRTPStream(StreamConfig{Ports: ports, Codecs: []Codec{PCMU}})
	require.NoError(t, err)
	defer p.Close()
	w, err := NewWebRTCStream(StreamConfig{Ports: ports, Codecs: []Codec{Opus}})
	require.NoError(t, err)
	defer w.Close()
	inside, err := p.Offer()
	require.NoError(t, err)
	require.Contains(t, inside, "c=IN IP4 192.168.1.7\r\n")
	require.NotContains(t, inside, public.String())
	outside, err := w.Offer()
	require.NoError(t, err)
	require.NotContains(t, outside, "192.168.1.7")
}
