package sipbridge_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/callctl/callctl/compliance/audit"
	"github.com/callctl/callctl/media"
	"github.com/callctl/callctl/sipbridge"
	"github.com/callctl/callctl/testbed/handset"
	"github.com/callctl/callctl/testbed/pbx"
)

// recorded makes the account record into dir.
func recorded(dir string, pbxCodecs ...media.Codec) rigOption {
	return func(cfg *sipbridge.Config) {
		cfg.Accounts[0].Record = true
		cfg.RecordDir = dir
		if len(pbxCodecs) > 0 {
			cfg.Trunk.Codecs = pbxCodecs
		}
	}
}

// recordings reads the files of a call, by leg, and checks them against its record.
func recordings(t *testing.T, dir string, cdr sipbridge.CDR) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	for _, r := range cdr.Recordings {
		b, err := os.ReadFile(filepath.Join(dir, r.File))
		require.NoError(t, err)
		sum := sha256.Sum256(b)
		require.Equal(t, hex.EncodeToString(sum[:]), r.SHA256)
		require.Equal(t, int64(len(b)), r.Bytes)
		require.Zero(t, r.Dropped)
		files[r.Leg] = b
	}
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, entries, len(cdr.Recordings), "nothing but finished files")
	return files
}

// oggPackets are the packets of an Ogg Opus file that hold audio: neither headers
// nor frames without octets, which stand for what did not come.
func oggPackets(t *testing.T, b []byte) (list [][]byte) {
	t.Helper()
	for len(b) > 0 {
		require.Equal(t, "OggS", string(b[:4]))
		lacing := b[27 : 27+int(b[26])]
		b = b[27+len(lacing):]
		n := 0
		for _, l := range lacing {
			n += int(l)
			if l < 255 {
				if n > 2 && !bytes.HasPrefix(b, []byte("Opus")) {
					list = append(list, b[:n])
				}
				b, n = b[n:], 0
			}
		}
	}
	return list
}

// requireRun demands that got is what was heard from some moment on, up to the last
// packets, which may have been under way when the call ended.
func requireRun(t *testing.T, heard, got [][]byte) {
	t.Helper()
	require.Greater(t, len(got), 20)
	for from := range heard {
		if len(heard)-from < len(got)-3 {
			break
		}
		n := min(len(got), len(heard)-from)
		if slices.EqualFunc(heard[from:from+n], got[:n], bytes.Equal) {
			require.LessOrEqual(t, len(heard)-from-n, 3, "the end is missing")
			return
		}
	}
	require.FailNow(t, "the recording is not what was heard")
}

// kinds are the kinds of the audit's entries about recordings and the call.
func (r *rig) kinds() (list []string, payloads map[string]json.RawMessage) {
	r.t.Helper()
	entries, err := r.log.Entries(context.Background(), audit.Query{After: -1, Subject: "subject-1", Limit: 1000})
	require.NoError(r.t, err)
	payloads = map[string]json.RawMessage{}
	for _, e := range entries {
		list = append(list, e.Kind)
		payloads[e.Kind] = e.Payload
	}
	return list, payloads
}

// TestRecordedOpusCall relays Opus untouched both ways: each file holds exactly the
// frames that the other end heard.
func TestRecordedOpusCall(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "recordings")
	p := newPBX(t, "udp", pbx.Extension{ToneHz: 440, Codecs: []string{"opus"}})
	r := newRig(t, trunkOf(p, "udp"), recorded(dir, media.Opus))
	h := r.phone(handset.Behaviour{ToneHz: 880, Codecs: []string{"opus"}})
	r.answering(h)
	id, results := r.call(sipbridge.Originate{})
	r.live("bridged")
	talk(t, h, p, p.Calls()[0].CallID)
	time.Sleep(time.Second)
	require.NoError(t, p.HangUp(p.Calls()[0].CallID))
	r.wait(results)

	cdr := r.cdr(id)
	require.Empty(t, cdr.RecordingFailed)
	require.Len(t, cdr.Recordings, 2)
	require.Equal(t, id+".user.opus", cdr.Recordings[0].File)
	require.Equal(t, id+".agent.opus", cdr.Recordings[1].File)
	files := recordings(t, dir, cdr)
	requireRun(t, p.Calls()[0].Payloads, oggPackets(t, files["user"]))
	silence := []byte{0xF8, 0xFF, 0xFE} // ours, until the agent spoke
	heard := slices.DeleteFunc(slices.Clone(h.Heard().Payloads), func(b []byte) bool { return bytes.Equal(b, silence) })
	requireRun(t, heard, oggPackets(t, files["agent"]))

	kinds, payloads := r.kinds()
	require.Equal(t, []string{"recording.started", "recording.finished", "call.ended"}, kinds)
	var finished struct {
		CallID     string
		Recordings []sipbridge.Recording
	}
	require.NoError(t, json.Unmarshal(payloads["recording.finished"], &finished))
	require.Equal(t, id, finished.CallID)
	require.Equal(t, cdr.Recordings, finished.Recordings)
}

// TestRecordedTranscodedCall keeps each leg in its own codec.
func TestRecordedTranscodedCall(t *testing.T) {
	dir := t.TempDir()
	p := newPBX(t, "udp", pbx.Extension{ToneHz: 440, Codecs: []string{"pcma"}})
	r := newRig(t, trunkOf(p, "udp"), recorded(dir, media.PCMA))
	h := r.phone(handset.Behaviour{ToneHz: 880, Codecs: []string{"opus"}})
	r.answering(h)
	id, results := r.call(sipbridge.Originate{})
	r.live("bridged")
	talk(t, h, p, p.Calls()[0].CallID)
	time.Sleep(time.Second)
	require.True(t, r.bridge.HangUp(id, "test"))
	r.wait(results)

	cdr := r.cdr(id)
	require.Len(t, cdr.Recordings, 2)
	require.Equal(t, id+".user.opus", cdr.Recordings[0].File)
	require.Equal(t, id+".agent.wav", cdr.Recordings[1].File)
	files := recordings(t, dir, cdr)
	require.Greater(t, len(oggPackets(t, files["user"])), 20)
	wav := files["agent"]
	require.Equal(t, "RIFF", string(wav[:4]))
	require.Equal(t, byte(6), wav[20], "A-law")
	spoken := bytes.TrimLeft(wav[58:], "\xD5")
	require.Greater(t, len(spoken), 20*160, "the agent's tone")
}

// TestStoppingFinishesRecordings stops the daemon under a live call.
func TestStoppingFinishesRecordings(t *testing.T) {
	dir := t.TempDir()
	p := newPBX(t, "udp", pbx.Extension{ToneHz: 440})
	r := newRig(t, trunkOf(p, "udp"), recorded(dir))
	h := r.phone(handset.Behaviour{ToneHz: 880, Codecs: []string{"pcmu"}})
	r.answering(h)
	id, results := r.call(sipbridge.Originate{})
	r.live("bridged")
	talk(t, h, p, p.Calls()[0].CallID)
	r.stop()
	r.wait(results)
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, entries, 2)
	require.Equal(t, id+".agent.wav", entries[0].Name())
	require.Equal(t, id+".user.wav", entries[1].Name())
}

// TestRecordingNeverHarmsACall lets the folder or the audit fail.
func TestRecordingNeverHarmsACall(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	for name, c := range map[string]struct {
		dir    string
		busy   int
		reason string
		kinds  []string
	}{
		"folder": {file, 0, "write_failed", []string{"recording.started", "recording.failed", "call.ended"}},
		"audit":  {t.TempDir(), 1, "audit_failed", []string{"recording.failed", "call.ended"}},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPBX(t, "udp", pbx.Extension{ToneHz: 440})
			r := newRig(t, trunkOf(p, "udp"), recorded(c.dir))
			r.ledger.fail = c.busy
			h := r.phone(handset.Behaviour{ToneHz: 880, Codecs: []string{"pcmu"}})
			r.answering(h)
			id, results := r.call(sipbridge.Originate{})
			r.live("bridged")
			talk(t, h, p, p.Calls()[0].CallID)
			require.NoError(t, p.HangUp(p.Calls()[0].CallID))
			require.Equal(t, sipbridge.CauseAgentHangup, r.wait(results).Cause)
			cdr := r.cdr(id)
			require.Equal(t, "ANSWERED", cdr.Disposition)
			require.Equal(t, c.reason, cdr.RecordingFailed)
			require.Empty(t, cdr.Recordings)
			kinds, _ := r.kinds()
			require.Equal(t, c.kinds, kinds)
		})
	}
}

// TestNothingIsRecordedUnasked: neither an account that does not record, nor a call
// that was never bridged.
func TestNothingIsRecordedUnasked(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "recordings")
	p := newPBX(t, "udp", pbx.Extension{ToneHz: 440, HangUp: 300 * time.Millisecond})
	r := newRig(t, trunkOf(p, "udp"), func(cfg *sipbridge.Config) { cfg.RecordDir = dir })
	r.answering(r.phone(handset.Behaviour{ToneHz: 880, Codecs: []string{"pcmu"}}))
	id, results := r.call(sipbridge.Originate{})
	r.wait(results)
	require.Empty(t, r.cdr(id).Recordings)

	p = newPBX(t, "udp", pbx.Extension{Then: "busy"})
	r = newRig(t, trunkOf(p, "udp"), recorded(dir))
	id, results = r.call(sipbridge.Originate{})
	r.wait(results)
	require.Empty(t, r.cdr(id).Recordings)
	kinds, _ := r.kinds()
	require.Equal(t, []string{"call.ended"}, kinds)
	require.NoDirExists(t, dir)
}

func TestRecordingNeedsAFolder(t *testing.T) {
	_, err := sipbridge.New(sipbridge.Config{
		Accounts: []sipbridge.Account{{Name: "acme", Business: business, Carrier: newFakeCarrier(), Record: true}},
		Trunk:    sipbridge.Trunk{Name: "main", URI: "sip:127.0.0.1:5060"},
		Gate:     &fakeGate{}, Ledger: &fakeLedger{}, Log: &audit.Log{}, Read: new(sql.DB), Ports: &media.Ports{},
	})
	require.ErrorIs(t, err, sipbridge.ErrConfig)
	require.ErrorContains(t, err, "folder")
}
