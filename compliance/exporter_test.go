package compliance

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"flag"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func TestExportIsVerifiedAndDescribed(t *testing.T) {
	h := newHouse(t)
	h.story(t)
	e, pack := h.export(t)
	sum := sha256.Sum256(pack)
	require.Equal(t, hex.EncodeToString(sum[:]), e.SHA256)
	require.Equal(t, int64(len(pack)), e.Size)

	again, err := h.exporter.Get(t.Context(), e.ID)
	require.NoError(t, err)
	require.Equal(t, e, again)

	r, err := verify(pack, h.log.VerifierKey())
	require.NoError(t, err)
	require.Equal(t, 8, r.Entries, "seven entries and the export's own")
	require.Equal(t, int64(10), r.TreeSize)
	require.Equal(t, "callctl/test", r.Origin)
	require.Contains(t, r.Summary, "On the do-not-call list since entry 7, 2026-11-22 18:00:08.000 UTC. "+
		"Dials after it, up to the export: none. Refused by the gate in that time: 1.")
	require.Contains(t, r.Summary[len(r.Summary)-1], "the key that you trust")

	r, err = verify(pack, "")
	require.NoError(t, err)
	require.Contains(t, r.Summary[len(r.Summary)-1], "the pack's own key")
}

// The words and the form of a pack are what packFormat names: a change of this
// golden file needs a new packFormat, or older packs are refused.
func TestSummaryIsFrozen(t *testing.T) {
	h := newHouse(t)
	h.story(t)
	_, pack := h.export(t)
	files, err := readZip(pack, packNames())
	require.NoError(t, err)
	golden := filepath.Join("testdata", "summary.txt")
	if *update {
		require.NoError(t, os.WriteFile(golden, files[1].content, 0o600))
	}
	want, err := os.ReadFile(golden)
	require.NoError(t, err)
	require.Equal(t, string(want), string(files[1].content))
}

func TestPackOpensInAnyZipReader(t *testing.T) {
	h := newHouse(t)
	h.story(t)
	_, pack := h.export(t)
	z, err := zip.NewReader(bytes.NewReader(pack), int64(len(pack)))
	require.NoError(t, err)
	var names []string
	for _, f := range z.File {
		names = append(names, f.Name)
		r, err := f.Open()
		require.NoError(t, err)
		_, err = io.Copy(io.Discard, r) // checks the CRC
		require.NoError(t, err)
	}
	require.Equal(t, packNames(), names)
}

func TestExportOfNobody(t *testing.T) {
	h := newHouse(t)
	_, err := h.exporter.Export(t.Context(), "+6512345678", "ops")
	require.ErrorIs(t, err, ErrUnknownUser)
	_, err = h.exporter.Get(t.Context(), "nope")
	require.ErrorIs(t, err, ErrExportNotFound)
	_, err = h.exporter.Content(t.Context(), "nope")
	require.ErrorIs(t, err, ErrExportNotFound)
}

func TestUserIsNotInTheExportsTable(t *testing.T) {
	h := newHouse(t)
	h.story(t)
	h.export(t)
	require.NoError(t, h.db.Close())
	for _, name := range []string{"callctl.db", "callctl.db-wal"} {
		b, err := os.ReadFile(filepath.Join(h.dir, name))
		if os.IsNotExist(err) {
			continue
		}
		require.NoError(t, err)
		require.NotContains(t, string(b), "6591234567")
	}
}

// An export that a crash cut short is failed, not running for ever.
func TestInterruptedExportIsFailed(t *testing.T) {
	h := newHouse(t)
	h.story(t)
	e := Export{ID: "X9", User: alice, Actor: "ops", State: ExportRunning}
	_, err := h.exporter.begin(t.Context(), &e, "s-alice", nil)
	require.NoError(t, err)
	got, err := h.newExporter(t).Get(t.Context(), "X9")
	require.NoError(t, err)
	require.Equal(t, ExportFailed, got.State)
	require.Equal(t, alice, got.User)
	_, err = h.exporter.Content(t.Context(), "X9")
	require.ErrorIs(t, err, ErrExportNotDone)
}

func TestExportThatCannotBeWrittenIsFailed(t *testing.T) {
	h := newHouse(t)
	h.story(t)
	require.NoError(t, os.RemoveAll(filepath.Join(h.dir, "exports")))
	e, err := h.exporter.Export(t.Context(), alice, "ops")
	require.ErrorIs(t, err, os.ErrNotExist)
	require.Equal(t, ExportFailed, e.State)
	got, err := h.exporter.Get(t.Context(), e.ID)
	require.NoError(t, err)
	require.Equal(t, ExportFailed, got.State)
	require.NotContains(t, got.Error, h.dir)
}

// Two addresses that turned out to be one person: the entries under both are in
// the pack, those of the gone subject from before and from after the merge.
func TestExportFollowsMergedSubjects(t *testing.T) {
	h := newHouse(t)
	h.story(t)
	h.append(t, kindDNCAdded, "s-older", map[string]string{"id": "x"})
	h.append(t, kindAttempted, "s-oldest", map[string]string{"callId": "c0"})
	h.append(t, kindMerged, "s-older", map[string]string{"from": "s-oldest", "into": "s-older"})
	h.append(t, kindMerged, "s-alice", map[string]string{"from": "s-older", "into": "s-alice"})
	h.append(t, "call.ended", "s-oldest", map[string]string{"callId": "c0"})
	_, pack := h.export(t)
	r, err := verify(pack, h.log.VerifierKey())
	require.NoError(t, err)
	require.Equal(t, 13, r.Entries)

	without := func(drop func(e packEntry) bool) error {
		_, err := verify(h.rebuild(t, func(_ *manifest, e []packEntry) []packEntry { return slices.DeleteFunc(e, drop) }), "")
		return err
	}
	require.NoError(t, without(func(packEntry) bool { return false }))
	for _, drop := range []func(e packEntry) bool{
		func(e packEntry) bool { return e.Subject == "s-older" },
		func(e packEntry) bool { return e.Subject == "s-oldest" },
		func(e packEntry) bool { return e.Kind == "call.ended" },
	} {
		var refused *VerifyError
		require.ErrorAs(t, without(drop), &refused)
	}
}

// What a process was writing when it died is personal data that nothing leads to.
func TestUnfinishedPacksAreRemoved(t *testing.T) {
	h := newHouse(t)
	h.story(t)
	e, _ := h.export(t)
	dir := filepath.Join(h.dir, "exports")
	require.NoError(t, os.WriteFile(filepath.Join(dir, ".pack-123"), []byte("half"), 0o600))
	h.newExporter(t)
	files, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, files, 1)
	require.Equal(t, e.ID+".zip", files[0].Name())
}
