package migrations

import "errors"

// The errors of this package; each says what to do about it.
var (
	// ErrSettings is returned when SQLite did not take a setting that durability needs.
	ErrSettings = errors.New("migrations: database does not have the required settings")
	// ErrNewerSchema is returned for a database that a newer callctl has migrated.
	ErrNewerSchema = errors.New("migrations: the database belongs to a newer callctl (use that version, or restore " +
		"the backup taken before the upgrade)")
	// ErrNoSchema is returned by [OpenReadOnly] for a file that callctl has not migrated.
	ErrNoSchema = errors.New("migrations: this is not a callctl database")
	// ErrLocked is returned when another process has the database open for writing.
	ErrLocked = errors.New("migrations: another callctl is running on this database (stop it first, or give this one " +
		"its own data_dir)")
	// ErrFileSystem is returned for a database on a network file system, where
	// neither SQLite's WAL nor the lock can be relied on.
	ErrFileSystem = errors.New("migrations: the database is on a network file system (move data_dir to a local disk)")
	// ErrDriver is returned when the SQLite driver lacks what a connection is built
	// on: a fault of the build.
	ErrDriver = errors.New("migrations: the SQLite driver cannot do what a connection needs")
)
