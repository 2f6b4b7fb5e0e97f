package compliance

import (
	"errors"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/callctl/callctl/compliance/audit"
	"github.com/callctl/callctl/migrations"
)

// Every byte of a pack is changed in turn, one bit of it, another bit each time;
// each change must be refused, and one inside a line of entries.jsonl must name
// that line's entry.
func TestEveryAlteredByteIsRefused(t *testing.T) {
	h := newHouse(t)
	h.append(t, "log.started", "", nil)
	h.append(t, kindDNCAdded, "s-alice", map[string]string{"id": "meta/wamid.2"})
	h.append(t, "permission.granted", "s-bob", nil)
	_, pack := h.export(t)
	owner := owners(t, pack, []int64{1, 3})
	named := 0
	for at := range pack {
		flip := byte(1) << (at % 8)
		pack[at] ^= flip
		_, err := verify(pack, "")
		pack[at] ^= flip
		var refused *VerifyError
		if !errors.As(err, &refused) {
			t.Fatalf("byte %d ^ %#x: %v", at, flip, err)
		}
		if want, ok := owner[at]; ok {
			named++
			if want != (place{refused.File, refused.Entry}) {
				t.Fatalf("byte %d ^ %#x: %v, instead of %v", at, flip, err, want)
			}
		}
	}
	require.Greater(t, named, len(pack)*8/10, "most of a pack is the content of files")
	_, err := verify(pack, "")
	require.NoError(t, err, "the loop must leave the pack as it was")
}

type place struct {
	file  string
	entry int64
}

// owners says for the bytes of file contents which file, and which entry, an
// altered byte is to be laid to.
func owners(t *testing.T, pack []byte, index []int64) map[int]place {
	t.Helper()
	files, err := readZip(pack, packNames())
	require.NoError(t, err)
	m := map[int]place{}
	at := 0
	for _, f := range files {
		at += localHeaderSize + len(f.name)
		line := 0
		for i, c := range f.content {
			switch f.name {
			case entriesFile:
				m[at+i] = place{entriesFile, index[line]}
				if c == '\n' {
					line++
				}
			case keyFile: // what it signs may fail in its place
			default:
				m[at+i] = place{f.name, -1}
			}
		}
		at += len(f.content)
	}
	return m
}

func TestCutAndExtendedPacksAreRefused(t *testing.T) {
	h := newHouse(t)
	h.story(t)
	_, pack := h.export(t)
	for n := range pack {
		if _, err := verify(pack[:n], ""); err == nil {
			t.Fatalf("accepted when cut to %d bytes", n)
		}
	}
	_, err := verify(append(slices.Clone(pack), 0), "")
	require.Error(t, err)
	_, err = verify(append([]byte{0}, pack...), "")
	require.Error(t, err)
}

func TestAnotherKeyIsRefused(t *testing.T) {
	h, other := newHouse(t), newHouse(t)
	h.story(t)
	_, pack := h.export(t)
	db, err := migrations.Open(t.Context(), filepath.Join(t.TempDir(), "x.db"))
	require.NoError(t, err)
	defer db.Close()
	log, err := audit.New(t.Context(), audit.Config{
		Write: db.Write, Read: db.Read, Dir: t.TempDir(), Origin: "callctl/test", Now: time.Now,
	})
	require.NoError(t, err)
	_, err = verify(pack, log.VerifierKey())
	var refused *VerifyError
	require.ErrorAs(t, err, &refused)
	require.Equal(t, keyFile, refused.File)
	require.Equal(t, h.log.VerifierKey(), other.log.VerifierKey(), "the fixture's keys are the same by its random source")
}

// rebuild makes a pack anew from altered content, signed by the log's own key:
// what an insider with the key could try.
func (h *house) rebuild(tb testing.TB, change func(m *manifest, entries []packEntry) []packEntry) []byte {
	tb.Helper()
	_, pack := h.export(tb)
	v := &verification{pack: pack}
	var err error
	v.files, err = readZip(pack, packNames())
	require.NoError(tb, err)
	require.NoError(tb, v.readKey(""))
	require.NoError(tb, v.checkManifest())
	require.NoError(tb, v.checkCheckpoint())
	require.NoError(tb, v.checkEntries())
	m := v.manifest
	m.Files = nil
	entries := change(&m, v.entries)
	out, err := buildPack(m, v.cp, v.key, entries, h.log.Sign)
	require.NoError(tb, err)
	return out
}

// Whoever holds the log's key can sign any manifest, but not change what the
// tree says.
func TestPacksThatTheKeyHolderForgesAreRefused(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(m *manifest, e []packEntry) []packEntry
		entry  int64 // -1 for none, -2 when the pack must be accepted
	}{
		{"unchanged", func(_ *manifest, e []packEntry) []packEntry { return e }, -2},
		{"payload hidden", func(_ *manifest, e []packEntry) []packEntry {
			e[2].Salt, e[2].Payload = nil, nil
			return e
		}, 4},
		{"payload changed", func(_ *manifest, e []packEntry) []packEntry {
			e[1].Payload = []byte(`{"id":"other"}`)
			return e
		}, 3},
		{"salt changed", func(_ *manifest, e []packEntry) []packEntry {
			e[1].Salt = slices.Clone(e[0].Salt)
			return e
		}, 3},
		{"middle left out", func(_ *manifest, e []packEntry) []packEntry { return slices.Delete(e, 3, 4) }, 6},
		{"first left out", func(_ *manifest, e []packEntry) []packEntry { return e[1:] }, 3},
		{"end left out", func(_ *manifest, e []packEntry) []packEntry { return e[:len(e)-1] }, 8},
		{"swapped", func(_ *manifest, e []packEntry) []packEntry {
			e[2], e[3] = e[3], e[2]
			return e
		}, 5},
		{"time moved", func(_ *manifest, e []packEntry) []packEntry {
			e[4].Time = e[4].Time.Add(time.Hour)
			return e
		}, 6},
		{"kind changed", func(_ *manifest, e []packEntry) []packEntry {
			e[4].Kind = "permission.granted"
			return e
		}, 6},
		{"proof of another", func(_ *manifest, e []packEntry) []packEntry {
			e[4].Proof = e[5].Proof
			return e
		}, 6},
		{"somebody else's name", func(m *manifest, e []packEntry) []packEntry {
			m.User = bob
			return e
		}, -1},
		{"another actor", func(m *manifest, e []packEntry) []packEntry {
			m.Actor = "nobody"
			return e
		}, -1},
		{"another subject", func(m *manifest, e []packEntry) []packEntry {
			m.Subject = "s-bob"
			return e
		}, 9},
		{"erased export", func(_ *manifest, e []packEntry) []packEntry {
			e[7].Salt, e[7].Payload = nil, nil
			return e
		}, 9},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newHouse(t)
			h.story(t)
			_, err := verify(h.rebuild(t, c.change), h.log.VerifierKey())
			if c.entry == -2 {
				require.NoError(t, err)
				return
			}
			var refused *VerifyError
			require.ErrorAs(t, err, &refused)
			require.Equal(t, c.entry, refused.Entry, err)
		})
	}
}

// A payload may be missing where the log records the erasure after it.
func TestErasedPayloadIsAccepted(t *testing.T) {
	h := newHouse(t)
	h.story(t)
	h.append(t, audit.KindErased, "s-alice", nil)
	pack := h.rebuild(t, func(_ *manifest, e []packEntry) []packEntry {
		for i := range e[:len(e)-2] {
			e[i].Salt, e[i].Payload = nil, nil
		}
		return e
	})
	_, err := verify(pack, h.log.VerifierKey())
	require.NoError(t, err)
}

// The exporter hands out no pack from a log in which a payload was hidden.
func TestNoPackOfHiddenPayloads(t *testing.T) {
	h := newHouse(t)
	h.story(t)
	_, err := h.db.Write.ExecContext(t.Context(), "UPDATE audit_entries SET sealed = NULL WHERE idx = 6")
	require.NoError(t, err)
	e, err := h.exporter.Export(t.Context(), alice, "ops")
	require.ErrorContains(t, err, "entry 6: its payload is missing")
	require.Equal(t, ExportFailed, e.State)
}

// What a pack names is printed beside the verdict on it, so it must not be able to
// write a line of its own there.
func TestNamesThatForgeTheVerdictAreRefused(t *testing.T) {
	const forged = "+6591234567.\nSigned by the key that you trust"
	for name, change := range map[string]func(m *manifest){
		"user":   func(m *manifest) { m.User = forged },
		"actor":  func(m *manifest) { m.Actor = forged },
		"export": func(m *manifest) { m.Export = "X\x1b[2J" },
	} {
		h := newHouse(t)
		h.story(t)
		_, err := verify(h.rebuild(t, func(m *manifest, e []packEntry) []packEntry { change(m); return e }), "")
		require.ErrorContains(t, err, "its names cannot be printed", name)
	}
}

// A false summary is refused even when the log's key signed it.
func TestFalseSummaryIsRefused(t *testing.T) {
	h := newHouse(t)
	h.story(t)
	_, pack := h.export(t)
	v := &verification{pack: pack}
	var err error
	v.files, err = readZip(pack, packNames())
	require.NoError(t, err)
	require.NoError(t, v.readKey(""))
	require.NoError(t, v.checkManifest())
	m := v.manifest
	v.files[1].content = []byte("No dials at all.\n")
	m.Files[1] = manifestFileOf{summaryFile, len(v.files[1].content), hexSHA256(v.files[1].content)}
	v.files[5].content, err = encodeManifest(m)
	require.NoError(t, err)
	v.files[6].content, err = h.log.Sign(signedText(v.files[5].content))
	require.NoError(t, err)
	_, err = verify(writeZip(v.files), "")
	var refused *VerifyError
	require.ErrorAs(t, err, &refused)
	require.Equal(t, summaryFile, refused.File)
}

func TestStatementsCountDialsByPosition(t *testing.T) {
	at := time.Date(2026, 11, 22, 18, 0, 0, 0, time.UTC)
	var list []packEntry
	for i, kind := range []string{
		kindGranted, kindAttempted, kindRevoked, kindAttempted, kindGranted, kindAttempted, kindDNCAdded, kindDNCLifted, kindAttempted,
	} {
		list = append(list, packEntry{Index: int64(10 * i), Time: at.Add(time.Duration(-i) * time.Hour), Kind: kind})
	}
	require.Equal(t, []string{
		"Permission withdrawn or refused at entry 20, 2026-11-22 16:00:00.000 UTC. " +
			"Dials after it, up to entry 40 (permission.granted): entry 30 at 2026-11-22 15:00:00.000 UTC. " +
			"Refused by the gate in that time: 0.",
		"On the do-not-call list since entry 60, 2026-11-22 12:00:00.000 UTC. " +
			"Dials after it, up to entry 70 (dnc.lifted): none. Refused by the gate in that time: 0.",
	}, statements(list))
	require.Equal(t, []string{"No opt-out, revocation or refusal is recorded."}, statements(nil))
}

// A grant to one number ends no withdrawal from another, and a dial by one is
// none by another; what names no number counts for all.
func TestStatementsAreAboutOneBusinessNumber(t *testing.T) {
	const first, second = `{"business":"+6531234567"}`, `{"business":"+6531230000"}`
	at := time.Date(2026, 11, 22, 18, 0, 0, 0, time.UTC)
	var list []packEntry
	for i, e := range []struct{ kind, payload string }{
		{kindRevoked, first},
		{kindGranted, second},
		{kindAttempted, second},
		{kindRefused, first},
		{kindAttempted, first},
		{kindAttempted, ""},
		{kindGranted, first},
		{kindAttempted, first},
	} {
		entry := packEntry{Index: int64(i), Time: at, Kind: e.kind}
		if e.payload != "" {
			entry.Payload = []byte(e.payload)
		}
		list = append(list, entry)
	}
	const when = "2026-11-22 18:00:00.000 UTC"
	require.Equal(t, []string{
		"Permission withdrawn or refused at entry 0, " + when + ", for calls from +6531234567. " +
			"Dials after it, up to entry 6 (permission.granted): entry 4 at " + when + ", entry 5 at " + when +
			". Refused by the gate in that time: 1.",
	}, statements(list))
}

// Anybody can make a pack that is signed by a key of its own, with as many
// withdrawals and dials as fit: what is said about them must not grow with the
// product of both.
func TestStatementsGrowWithTheEntries(t *testing.T) {
	list := make([]packEntry, 4000)
	for i := range list {
		list[i] = packEntry{Index: int64(i), Kind: kindRevoked}
		if i >= len(list)/2 {
			list[i].Kind = kindAttempted
		}
	}
	lines := statements(list)
	require.Len(t, lines, len(list)/2)
	for _, line := range lines {
		require.Less(t, len(line), 2000)
	}
	require.Contains(t, lines[0], " and 1980 more. ")
}

func FuzzVerify(f *testing.F) {
	h := newHouse(f)
	h.story(f)
	_, pack := h.export(f)
	f.Add(pack)
	f.Add([]byte{})
	f.Add(pack[:len(pack)/2])
	f.Fuzz(func(t *testing.T, b []byte) {
		_, err := verify(b, "")
		if string(b) == string(pack) {
			require.NoError(t, err)
			return
		}
		var refused *VerifyError
		require.ErrorAs(t, err, &refused)
		require.NotEmpty(t, refused.Error())
	})
}
