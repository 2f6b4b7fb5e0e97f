//go:build !linux

package migrations

// refuseNetworkFileSystem knows only Linux's way of telling.
func refuseNetworkFileSystem(string) error { return nil }
