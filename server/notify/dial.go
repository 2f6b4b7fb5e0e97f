package notify

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"time"
)

// dialer connects to checked addresses only: a name is looked up once, and the
// connection goes to an address of that answer, so that a second answer of a
// hostile DNS server is never asked for.
type dialer struct {
	resolver     Resolver
	allowPrivate bool
	dial         func(ctx context.Context, network, address string) (net.Conn, error)
}

func newTransport(cfg Config) *http.Transport {
	d := &dialer{resolver: cfg.Resolver, allowPrivate: cfg.AllowPrivate, dial: (&net.Dialer{}).DialContext}
	return &http.Transport{
		Proxy:                  nil, // a proxy would look the name up for itself
		DialContext:            d.DialContext,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: cfg.RootCAs},
		TLSHandshakeTimeout:    postTimeout,
		ResponseHeaderTimeout:  postTimeout,
		MaxResponseHeaderBytes: maxAnswer,
		MaxConnsPerHost:        8,
		IdleConnTimeout:        30 * time.Second,
		ForceAttemptHTTP2:      true,
		DisableCompression:     true,
	}
}

// DialContext has the form that http.Transport asks for. It fails with
// [ErrForbiddenAddress] before anything is sent.
func (d *dialer) DialContext(ctx context.Context, _, address string) (net.Conn, error) {
	host, service, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	port, err := strconv.ParseUint(service, 10, 16)
	if err != nil || (port != 443 && !d.allowPrivate) {
		return nil, ErrForbiddenAddress
	}
	addrs, err := d.lookUp(ctx, host)
	if err != nil {
		return nil, err
	}
	var errs []error
	for _, a := range addrs {
		if !dialable(a, d.allowPrivate) {
			continue
		}
		conn, err := d.dial(ctx, "tcp", netip.AddrPortFrom(a.Unmap(), uint16(port)).String())
		if err == nil {
			return conn, nil
		}
		errs = append(errs, err)
	}
	if errs == nil {
		return nil, ErrForbiddenAddress
	}
	return nil, errors.Join(errs...)
}

func (d *dialer) lookUp(ctx context.Context, host string) ([]netip.Addr, error) {
	if ip, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{ip}, nil
	}
	return d.resolver.LookupNetIP(ctx, "ip", host)
}
