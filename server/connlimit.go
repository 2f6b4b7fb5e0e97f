package server

import (
	"net"
	"net/http"
	"sync"
)

// connLimit closes connections beyond a number in all and from one host. Hosts
// on loopback, where a reverse proxy sits, are bounded by the total only.
type connLimit struct {
	most, perHost int

	mu    sync.Mutex
	hosts map[string]int
	open  map[net.Conn]string
}

// state is an http.Server's ConnState.
func (l *connLimit) state(c net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		if !l.enter(c) {
			_ = c.Close()
		}
	case http.StateClosed, http.StateHijacked:
		l.leave(c)
	case http.StateActive, http.StateIdle:
	}
}

func (l *connLimit) enter(c net.Conn) bool {
	host, _, err := net.SplitHostPort(c.RemoteAddr().String())
	if err != nil {
		host = c.RemoteAddr().String()
	}
	ip := net.ParseIP(host)
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.open) >= l.most {
		return false
	}
	if l.hosts[host] >= l.perHost && (ip == nil || !ip.IsLoopback()) {
		return false
	}
	l.open[c] = host
	l.hosts[host]++
	return true
}

func (l *connLimit) leave(c net.Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	host, ok := l.open[c]
	if !ok {
		return
	}
	delete(l.open, c)
	if l.hosts[host]--; l.hosts[host] <= 0 {
		delete(l.hosts, host)
	}
}
