package migrations

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// The magic numbers of network file systems (statfs(2)).
const (
	nfsMagic  = 0x6969
	smbMagic  = 0x517b
	cifsMagic = 0xff534d42
	smb2Magic = 0xfe534d42
	afsMagic  = 0x5346414f
)

func refuseNetworkFileSystem(dir string) error {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return fmt.Errorf("database directory: %w", err)
	}
	switch uint32(s.Type) {
	case nfsMagic, smbMagic, cifsMagic, smb2Magic, afsMagic:
		return ErrFileSystem
	}
	return nil
}
