package audit

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/mod/sumdb/note"
)

// The files of Config.Dir.
const (
	SignerKeyFile   = "log.key"     // the signing key, sumdb/note format
	VerifierKeyFile = "log.pub"     // the verifier key line, for readers of checkpoints
	MasterKeyFile   = "master.key"  // wraps the subjects' keys
	AnchorFile      = "checkpoints" // the newest signed checkpoint
)

const masterPrefix = "callctl-master-key/1 "

// keyring is what Config.Dir holds.
type keyring struct {
	signer   note.Signer
	verifier note.Verifier
	vkey     string
	master   []byte
}

// openKeyring reads the keys of dir. It makes them when the log is empty and
// refuses to when it is not: new keys could open nothing that old ones sealed.
func openKeyring(dir, origin string, rand io.Reader, empty bool) (*keyring, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("key directory: %w", err)
	}
	k := &keyring{}
	if err := k.openSigner(dir, origin, rand, empty); err != nil {
		return nil, err
	}
	line, err := readOrCreate(filepath.Join(dir, MasterKeyFile), empty, func() (string, error) {
		b := make([]byte, keySize)
		if _, err := io.ReadFull(rand, b); err != nil {
			return "", fmt.Errorf("read randomness: %w", err)
		}
		return masterPrefix + base64.StdEncoding.EncodeToString(b), nil
	})
	if err != nil {
		return nil, err
	}
	k.master, err = parseMasterKey(line)
	return k, err
}

func (k *keyring) openSigner(dir, origin string, rand io.Reader, empty bool) error {
	skey, err := readOrCreate(filepath.Join(dir, SignerKeyFile), empty, func() (string, error) {
		skey, _, err := note.GenerateKey(rand, origin)
		if err != nil {
			return "", fmt.Errorf("make signing key: %w", err)
		}
		return skey, nil
	})
	if err != nil {
		return err
	}
	if k.signer, err = note.NewSigner(skey); err != nil {
		return fmt.Errorf("%w: %s: %w", ErrKey, SignerKeyFile, err)
	}
	if k.signer.Name() != origin {
		return fmt.Errorf("%w: it is of %q, the configuration says %q", ErrOrigin, k.signer.Name(), origin)
	}
	if k.vkey, err = verifierKey(skey); err != nil {
		return err
	}
	if k.verifier, err = note.NewVerifier(k.vkey); err != nil {
		return fmt.Errorf("%w: %s: %w", ErrKey, SignerKeyFile, err)
	}
	pub := filepath.Join(dir, VerifierKeyFile)
	have, err := os.ReadFile(pub)
	if err == nil && strings.TrimSpace(string(have)) == k.vkey {
		return nil
	}
	return replaceFile(pub, []byte(k.vkey+"\n"))
}

func parseMasterKey(line string) ([]byte, error) {
	b64, ok := strings.CutPrefix(line, masterPrefix)
	key, err := base64.StdEncoding.DecodeString(b64)
	if !ok || err != nil || len(key) != keySize {
		return nil, fmt.Errorf("%w: %s", ErrKey, MasterKeyFile)
	}
	return key, nil
}

// subjectKey unwraps a subject's key; nil when it was erased.
func (k *keyring) subjectKey(subject string, wrapped []byte) ([]byte, error) {
	if wrapped == nil {
		return nil, nil
	}
	key, err := decrypt(k.master, wrapContext(subject), wrapped)
	if err != nil {
		return nil, fmt.Errorf("key of a subject: %w", err)
	}
	return key, nil
}

// newSubjectKey makes a key and its wrapping.
func (k *keyring) newSubjectKey(rand io.Reader, subject string) (key, wrapped []byte, err error) {
	key = make([]byte, keySize)
	if _, err := io.ReadFull(rand, key); err != nil {
		return nil, nil, fmt.Errorf("read randomness: %w", err)
	}
	wrapped, err = encrypt(rand, k.master, wrapContext(subject), key)
	return key, wrapped, err
}

// readOrCreate returns the trimmed content of a key file.
func readOrCreate(path string, mayCreate bool, create func() (string, error)) (string, error) {
	b, err := os.ReadFile(path)
	if err == nil {
		return string(bytes.TrimSpace(b)), nil
	}
	if !errors.Is(err, os.ErrNotExist) {
		return "", fmt.Errorf("read key: %w", err)
	}
	if !mayCreate {
		return "", fmt.Errorf("%w: %s", ErrKeyMissing, filepath.Base(path))
	}
	s, err := create()
	if err != nil {
		return "", err
	}
	return s, replaceFile(path, []byte(s+"\n"))
}

// replaceFile writes a file of mode 0600 so that a crash leaves the old content
// or the new one, and that the new one is durable when it returns.
func replaceFile(path string, content []byte) (err error) {
	tmp, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".tmp-*") // mode 0600
	if err != nil {
		return fmt.Errorf("write %s: %w", filepath.Base(path), err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("write %s: %w", filepath.Base(path), err), os.Remove(tmp.Name()))
		}
	}()
	if _, err := tmp.Write(content); err != nil {
		return errors.Join(err, tmp.Close())
	}
	if err := tmp.Sync(); err != nil {
		return errors.Join(err, tmp.Close())
	}
	if err := tmp.Close(); err != nil {
		return err
	}
	if err := os.Rename(tmp.Name(), path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// verifierKey derives the verifier key line of a signing key line.
func verifierKey(skey string) (string, error) {
	parts := strings.SplitN(skey, "+", 5) // PRIVATE+KEY+name+hash+base64, and base64 may hold a plus
	if len(parts) != 5 {
		return "", fmt.Errorf("%w: %s", ErrKey, SignerKeyFile)
	}
	b, err := base64.StdEncoding.DecodeString(parts[4])
	if err != nil || len(b) != 1+ed25519.SeedSize {
		return "", fmt.Errorf("%w: %s", ErrKey, SignerKeyFile)
	}
	pub, ok := ed25519.NewKeyFromSeed(b[1:]).Public().(ed25519.PublicKey)
	if !ok {
		return "", fmt.Errorf("%w: %s", ErrKey, SignerKeyFile)
	}
	vkey, err := note.NewEd25519VerifierKey(parts[2], pub)
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrKey, err)
	}
	return vkey, nil
}
