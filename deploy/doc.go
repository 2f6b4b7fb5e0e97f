// Package deploy is how callctl is installed: a systemd unit and a container
// file. It has no code; its tests build the program as the container file does
// and start it as both of them do.
package deploy
