package audit

import "errors"

// The errors of this package. Those that a person meets at start say what to do.
var (
	// ErrConfig is returned by [New] for a Config that cannot work.
	ErrConfig = errors.New("audit: incomplete configuration")
	// ErrRolledBack is returned by [New] when the database's tree is smaller than,
	// or does not extend, the newest anchored checkpoint.
	ErrRolledBack = errors.New("audit: the database is older than, or differs from, the newest anchored checkpoint " +
		"(an old backup was restored, or entries were changed; restore the newest database that extends the checkpoint)")
	// ErrAnchorMissing is returned by [New] when checkpoints were signed but the
	// anchor file is gone.
	ErrAnchorMissing = errors.New("audit: the checkpoint anchor file is missing " +
		"(restore it from a backup of the key directory; without it a rollback cannot be told)")
	// ErrKeyMissing is returned by [New] when the database holds entries but a key
	// file that they need is gone.
	ErrKeyMissing = errors.New("audit: a key file is missing although the log has entries (restore it from a backup)")
	// ErrKey is returned for a key file that cannot be read as one.
	ErrKey = errors.New("audit: malformed key")
	// ErrOrigin is returned when the key directory belongs to a log of another origin.
	ErrOrigin = errors.New("audit: the signing key belongs to another origin")
	// ErrCorrupt is returned when stored rows contradict each other.
	ErrCorrupt = errors.New("audit: the stored tree contradicts itself (run callctl audit verify)")
	// ErrFailed is returned by every Update after a commit failed on the device: the
	// state on disk is unknown until the process restarts and reads it again.
	ErrFailed = errors.New("audit: an earlier commit failed on the storage device; restart to read its state again")
	// ErrNested is returned by an Update inside an Update of the same log.
	ErrNested = errors.New("audit: Update within Update")
	// errNothing ends a transaction that holds nobody's work.
	errNothing = errors.New("audit: nothing to commit")
	// ErrRecord is returned by Append for a record that cannot be logged.
	ErrRecord = errors.New("audit: record refused")
	// ErrLeaf is returned for bytes that are no canonical leaf.
	ErrLeaf = errors.New("audit: malformed leaf")
	// ErrSeal is returned when a sealed payload cannot be opened.
	ErrSeal = errors.New("audit: sealed payload cannot be opened")
	// ErrCommitment is returned when salt and payload do not match the leaf.
	ErrCommitment = errors.New("audit: payload does not match the leaf's commitment")
	// ErrErased is returned where an erased payload is asked for.
	ErrErased = errors.New("audit: payload is erased")
	// ErrNoEntry is returned for an index that the tree does not have.
	ErrNoEntry = errors.New("audit: no such entry")
	// ErrCheckpoint is returned for a checkpoint that is malformed or not signed by the key.
	ErrCheckpoint = errors.New("audit: checkpoint refused")
	// ErrProof is returned for a proof that does not hold.
	ErrProof = errors.New("audit: proof does not hold")
)
