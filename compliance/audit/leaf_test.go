package audit

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

const exampleLeaf = "callctl-leaf/1\nindex 7\ntime 1795372800123\nkind permission.granted\nsubject s1\nseq 3\nprev 5\n" +
	"commitment AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=\n"

// The bytes are what proofs are about: this one may never change.
func TestLeafBytesAreFixed(t *testing.T) {
	l := Leaf{
		Index: 7, Time: time.UnixMilli(1795372800123), Kind: "permission.granted", Subject: "s1", SubjectSeq: 3, Prev: 5,
		Commitment: [32]byte(bytes.Repeat([]byte{1}, 32)),
	}
	require.Equal(t, exampleLeaf, string(l.Bytes()))
}

func TestParseLeafTakesOnlyTheCanonicalForm(t *testing.T) {
	_, err := ParseLeaf([]byte(exampleLeaf))
	require.NoError(t, err)
	for _, c := range []struct{ old, new string }{
		{"leaf/1", "leaf/2"},
		{"index 7", "index 07"},
		{"index 7", "index +7"},
		{"index 7", "index -7"},
		{"index 7\n", ""},
		{"index 7", "Index 7"},
		{"kind permission.granted", "kind Permission.granted"},
		{"kind permission.granted", "kind "},
		{"kind permission.granted", "kind " + strings.Repeat("x", 65)},
		{"subject s1", "subject -"},
		{"subject s1", "subject "},
		{"subject s1", "subject s 1"},
		{"subject s1", "subject +6591234567"},
		{"subject s1", "subject " + strings.Repeat("x", 129)},
		{"seq 3", "seq 0"},
		{"seq 3", "seq 1"},
		{"prev 5", "prev 7"},
		{"prev 5", "prev -1"},
		{"prev 5", "prev -2"},
		{"AQE=\n", "AQF=\n"},
		{"AQE=\n", "AQE\n"},
		{"AQE=\n", "AQE="},
		{"AQE=\n", "AQE=\n\n"},
		{"AQE=\n", "AQE=\r\n"},
		{"time 1795372800123", "time 9223372036854775808"},
	} {
		bad := strings.Replace(exampleLeaf, c.old, c.new, 1)
		require.NotEqual(t, exampleLeaf, bad)
		_, err := ParseLeaf([]byte(bad))
		require.ErrorIs(t, err, ErrLeaf, "%q", c.new)
	}
}

func FuzzParseLeaf(f *testing.F) {
	f.Add([]byte(exampleLeaf))
	f.Add([]byte(strings.Replace(strings.Replace(strings.Replace(exampleLeaf, "s1", "-", 1), "seq 3", "seq 0", 1), "prev 5", "prev -1", 1)))
	f.Add([]byte("callctl-leaf/1\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		l, err := ParseLeaf(b)
		if err != nil {
			require.ErrorIs(t, err, ErrLeaf)
			return
		}
		require.Equal(t, b, l.Bytes(), "what is read must be written the same")
	})
}

func TestSealedPayloadsOpenOnlyWithTheirKeyAndLeaf(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		payload := rapid.SliceOfN(rapid.Byte(), 0, 600).Draw(t, "payload")
		random := bytes.NewReader(rapid.SliceOfN(rapid.Byte(), 12, 12).Draw(t, "nonce"))
		key, salt, leaf := bytes.Repeat([]byte{3}, keySize), bytes.Repeat([]byte{4}, saltSize), []byte("leaf")
		sealed, err := seal(random, key, leaf, salt, payload)
		require.NoError(t, err)
		require.Zero(t, (len(sealed)-12-16-saltSize)%padBlock, "the length of a payload must not show")
		gotSalt, got, err := unseal(key, leaf, sealed)
		require.NoError(t, err)
		require.Equal(t, salt, gotSalt)
		require.True(t, bytes.Equal(payload, got))

		at := rapid.IntRange(0, len(sealed)-1).Draw(t, "at")
		sealed[at] ^= 1
		_, _, err = unseal(key, leaf, sealed)
		require.ErrorIs(t, err, ErrSeal)
		sealed[at] ^= 1
		_, _, err = unseal(key, []byte("other"), sealed)
		require.ErrorIs(t, err, ErrSeal)
		_, _, err = unseal(bytes.Repeat([]byte{5}, keySize), leaf, sealed)
		require.ErrorIs(t, err, ErrSeal)
	})
}

func TestCommitmentBindsSaltIndexAndPayload(t *testing.T) {
	salt := bytes.Repeat([]byte{4}, saltSize)
	l := Leaf{Index: 7, Commitment: Commit(salt, 7, []byte(`{"a":1}`))}
	require.NoError(t, l.VerifyPayload(salt, []byte(`{"a":1}`)))
	require.ErrorIs(t, l.VerifyPayload(salt, []byte(`{"a":2}`)), ErrCommitment)
	require.ErrorIs(t, l.VerifyPayload(salt, []byte("{\"a\":1}\x80")), ErrCommitment)
	require.ErrorIs(t, l.VerifyPayload(bytes.Repeat([]byte{5}, saltSize), []byte(`{"a":1}`)), ErrCommitment)
	require.ErrorIs(t, l.VerifyPayload(salt[:31], []byte(`{"a":1}`)), ErrCommitment)
	l.Index = 8
	require.ErrorIs(t, l.VerifyPayload(salt, []byte(`{"a":1}`)), ErrCommitment)
}
