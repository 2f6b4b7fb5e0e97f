package sipbridge_test

import (
	"encoding/binary"
	"fmt"
	"math"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/callctl/callctl/media"
	"github.com/callctl/callctl/sipbridge"
	"github.com/callctl/callctl/testbed/handset"
)

// baresip does not work on lo: it lives in a network namespace at the far end of
// a veth pair.
const (
	nearAddr = "10.209.77.1"
	farAddr  = "10.209.77.2"
)

func ip(t *testing.T, args ...string) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "ip", args...).CombinedOutput()
	require.NoError(t, err, "ip %s: %s", strings.Join(args, " "), out)
}

// namespace makes the veth pair and returns the namespace's name; the test's end
// removes both.
func namespace(t *testing.T) string {
	t.Helper()
	need(t, "ip", "iproute2")
	if os.Geteuid() != 0 {
		missing(t, "making a network namespace needs root")
	}
	name := fmt.Sprintf("callctl%d", os.Getpid())
	near, far := fmt.Sprintf("cct%da", os.Getpid()%100000), fmt.Sprintf("cct%db", os.Getpid()%100000)
	if out, err := exec.CommandContext(t.Context(), "ip", "netns", "add", name).CombinedOutput(); err != nil {
		missing(t, "no network namespaces here: "+string(out))
	}
	t.Cleanup(func() { _ = exec.Command("ip", "netns", "del", name).Run() })
	ip(t, "link", "add", near, "type", "veth", "peer", "name", far)
	t.Cleanup(func() { _ = exec.Command("ip", "link", "del", near).Run() })
	ip(t, "link", "set", far, "netns", name)
	ip(t, "addr", "add", nearAddr+"/30", "dev", near)
	ip(t, "link", "set", near, "up")
	ip(t, "-n", name, "addr", "add", farAddr+"/30", "dev", far)
	ip(t, "-n", name, "link", "set", far, "up")
	ip(t, "-n", name, "link", "set", "lo", "up")
	return name
}

// baresip runs a baresip that answers as extension 1001 with a 440 Hz file as its
// microphone and writes what it hears to a WAV file in the directory returned.
func baresip(t *testing.T, ns, transport string) (*process, string) {
	t.Helper()
	path := need(t, "baresip", "baresip-core")
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "tone.wav"), wavTone(440, 20*time.Second), 0o600))
	config := fmt.Sprintf(`poll_method epoll
sip_listen %[1]s:5060
audio_source aufile,%[2]s/tone.wav
audio_player aubridge,sink
audio_alert aubridge,sink
ausrc_srate 8000
auplay_srate 8000
ausrc_channels 1
auplay_channels 1
snd_path %[2]s
module_path /usr/lib/baresip/modules
module g711.so
module aufile.so
module aubridge.so
module sndfile.so
module_app account.so
module_app menu.so
`, farAddr, dir)
	account := fmt.Sprintf("<sip:1001@%s;transport=%s>;regint=0;answermode=auto;audio_codecs=PCMU\n", farAddr, transport)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "config"), []byte(config), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "accounts"), []byte(account), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "contacts"), nil, 0o600))
	p := start(t, dir, "ip", "netns", "exec", ns, path, "-f", dir)
	require.Eventually(t, func() bool { return strings.Contains(p.out.String(), "baresip is ready") }, patience, 20*time.Millisecond, "%s", p.out)
	return p, dir
}

func TestBaresipIsTheExtension(t *testing.T) {
	need(t, "baresip", "baresip-core")
	ns := namespace(t)
	for _, transport := range []string{"udp", "tcp"} {
		t.Run(transport, func(t *testing.T) {
			peer, dir := baresip(t, ns, transport)
			near := netip.MustParseAddr(nearAddr)
			ports, err := media.NewPorts(media.PortsConfig{Bind: near, Public: near})
			require.NoError(t, err)
			r := newRig(t, "sip:"+farAddr+":5060;transport="+transport, func(cfg *sipbridge.Config) {
				cfg.Listen = []string{"udp://" + nearAddr + ":0", "tcp://" + nearAddr + ":0"}
				cfg.Ports = ports
			})
			r.ports = ports
			h := r.phoneAt(nearAddr, handset.Behaviour{ToneHz: 880, Codecs: []string{"pcmu"}})
			r.answering(h)
			id, results := r.call(sipbridge.Originate{Agent: "1001"})
			r.live("bridged")
			require.Eventually(t, func() bool { return h.ToneLevel(440) > 0.9 && h.Heard().Packets > 100 },
				patience, 20*time.Millisecond, "the handset does not hear baresip: %s", peer.out)
			require.True(t, r.bridge.HangUp(id, "api"))
			require.Equal(t, "connected", r.wait(results).Outcome)
			cdr := r.cdr(id)
			require.Greater(t, cdr.PBX.PacketsIn, uint64(100))
			require.Equal(t, media.PCMU, cdr.PBX.Codec)
			require.Eventually(t, func() bool { return heardTone(dir, 880) > 0.9 }, patience, 50*time.Millisecond,
				"baresip did not hear the handset: %s", peer.out)
		})
	}
}

// wavTone is a mono 16-bit 8 kHz WAV file of a sine tone.
func wavTone(hz float64, d time.Duration) []byte {
	const rate = 8000
	n := int(d.Seconds() * rate)
	out := []byte("RIFF\x00\x00\x00\x00WAVEfmt ")
	le := binary.LittleEndian
	le.PutUint32(out[4:], uint32(36+2*n))
	out = le.AppendUint32(out, 16)
	out = le.AppendUint16(out, 1)
	out = le.AppendUint16(out, 1)
	out = le.AppendUint32(out, rate)
	out = le.AppendUint32(out, 2*rate)
	out = le.AppendUint16(out, 2)
	out = le.AppendUint16(out, 16)
	out = append(out, "data"...)
	out = le.AppendUint32(out, uint32(2*n))
	for i := range n {
		v := int16(10000 * math.Sin(2*math.Pi*hz*float64(i)/rate))
		out = le.AppendUint16(out, uint16(v))
	}
	return out
}

// heardTone is the share of energy at hz in the longest loud half second of what
// baresip decoded.
func heardTone(dir string, hz float64) float64 {
	files, err := filepath.Glob(filepath.Join(dir, "dump-*-dec.wav"))
	if err != nil {
		return 0
	}
	best := 0.0
	for _, f := range files {
		raw, err := os.ReadFile(f)
		if err != nil || len(raw) < 44 {
			continue
		}
		raw = raw[44:]
		const window = 4000
		for at := 0; at+2*window <= len(raw); at += window {
			best = max(best, goertzel(raw[at:at+2*window], hz))
		}
	}
	return best
}

// goertzel is the share (0 to 1) of a block's energy that is at hz.
func goertzel(pcm []byte, hz float64) float64 {
	coefficient := 2 * math.Cos(2*math.Pi*hz/8000)
	var s1, s2, energy float64
	n := len(pcm) / 2
	for i := range n {
		x := float64(int16(binary.LittleEndian.Uint16(pcm[2*i:])))
		s1, s2 = x+coefficient*s1-s2, s1
		energy += x * x
	}
	if energy == 0 {
		return 0
	}
	return (s1*s1 + s2*s2 - coefficient*s1*s2) / (energy * float64(n) / 2)
}
