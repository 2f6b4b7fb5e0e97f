package audit

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
)

const (
	saltSize = 32
	keySize  = 32
	// padBlock hides the length of short payloads: they all look alike.
	padBlock = 256
)

// Commit is the commitment that a leaf carries to its payload:
//
//	SHA-256(salt || index as 8 bytes big-endian || padded payload)
//
// where the padding is one byte 0x80 and then zeros up to a multiple of 256
// bytes (ISO/IEC 7816-4). The 32 random bytes of salt make it useless for
// guessing, which a bare hash of a phone number is not.
func Commit(salt []byte, index int64, payload []byte) [32]byte {
	h := sha256.New()
	h.Write(salt)
	var n [8]byte
	binary.BigEndian.PutUint64(n[:], uint64(index))
	h.Write(n[:])
	h.Write(pad(payload))
	var sum [32]byte
	h.Sum(sum[:0])
	return sum
}

// VerifyPayload reports whether salt and payload are what the leaf committed to.
func (l Leaf) VerifyPayload(salt, payload []byte) error {
	if len(salt) != saltSize || Commit(salt, l.Index, payload) != l.Commitment {
		return fmt.Errorf("entry %d: %w", l.Index, ErrCommitment)
	}
	return nil
}

func pad(b []byte) []byte {
	n := (len(b)/padBlock + 1) * padBlock
	p := make([]byte, n)
	copy(p, b)
	p[len(b)] = 0x80
	return p
}

func unpad(p []byte) ([]byte, bool) {
	end := bytes.LastIndexByte(p, 0x80)
	if end < 0 || len(p)%padBlock != 0 || len(p)-end > padBlock {
		return nil, false
	}
	for _, c := range p[end+1:] {
		if c != 0 {
			return nil, false
		}
	}
	return p[:end], true
}

// seal encrypts salt and padded payload with AES-256-GCM, bound to the leaf. The
// salt is inside, so that deleting the key takes the salt from every backup too.
func seal(rand io.Reader, key, leaf, salt, payload []byte) ([]byte, error) {
	return encrypt(rand, key, leaf, append(bytes.Clone(salt), pad(payload)...))
}

func unseal(key, leaf, sealed []byte) (salt, payload []byte, err error) {
	plain, err := decrypt(key, leaf, sealed)
	if err != nil {
		return nil, nil, err
	}
	if len(plain) < saltSize {
		return nil, nil, ErrSeal
	}
	payload, ok := unpad(plain[saltSize:])
	if !ok {
		return nil, nil, ErrSeal
	}
	return plain[:saltSize], payload, nil
}

// wrapContext binds a wrapped key to its subject, so that keys cannot be swapped.
func wrapContext(subject string) []byte { return []byte("callctl-subject-key/1\n" + subject) }

func encrypt(rand io.Reader, key, context, plain []byte) ([]byte, error) {
	aead, err := newGCM(key)
	if err != nil {
		return nil, err
	}
	out := make([]byte, aead.NonceSize(), aead.NonceSize()+len(plain)+aead.Overhead())
	if _, err := io.ReadFull(rand, out); err != nil {
		return nil, fmt.Errorf("read randomness: %w", err)
	}
	return aead.Seal(out, out, plain, context), nil
}

func decrypt(key, context, sealed []byte) ([]byte, error) {
	aead, err := newGCM(key)
	if err != nil {
		return nil, err
	}
	if len(sealed) < aead.NonceSize() {
		return nil, ErrSeal
	}
	plain, err := aead.Open(nil, sealed[:aead.NonceSize()], sealed[aead.NonceSize():], context)
	if err != nil {
		return nil, ErrSeal
	}
	return plain, nil
}

func newGCM(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrKey, err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrKey, err)
	}
	return aead, nil
}
