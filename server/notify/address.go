package notify

import (
	"fmt"
	"net/netip"
	"strings"
)

// dialable says whether an address may be connected to. Public unicast addresses
// may; loopback and private networks only where that is allowed; link-local,
// multicast, reserved and translated addresses (whose last bits are an IPv4
// address of somebody's choice) and the clouds' metadata services never.
func dialable(a netip.Addr, allowPrivate bool) bool {
	a = a.Unmap()
	if !a.IsValid() || a.Zone() != "" || metadata(a) {
		return false
	}
	if a.IsLoopback() || a.IsPrivate() || within(a, "100.64.0.0/10") {
		return allowPrivate
	}
	if !a.IsGlobalUnicast() {
		return false
	}
	if a.Is4() {
		return !within(a,
			"0.0.0.0/8", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "198.18.0.0/15",
			"198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/3")
	}
	// The IANA IPv6 special-purpose registry; only 2000::/3 is given out. 2001::/23
	// holds Teredo, 2002::/16 is 6to4. NAT64, 64:ff9b::/96, lies outside.
	return within(a, "2000::/3") && !within(a, "2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")
}

// metadata are addresses at which clouds answer any machine with its secrets.
func metadata(a netip.Addr) bool {
	switch a.String() {
	case "169.254.169.254", // most of them
		"169.254.170.2",   // Amazon ECS
		"100.100.100.200", // Alibaba
		"192.0.0.192",     // Oracle
		"168.63.129.16",   // Azure, a public address
		"fd00:ec2::254",   // Amazon
		"fd20:ce::254":    // Google
		return true
	}
	return false
}

func within(a netip.Addr, prefixes ...string) bool {
	for _, p := range prefixes {
		if prefix, err := netip.ParsePrefix(p); err == nil && prefix.Contains(a) {
			return true
		}
	}
	return false
}

// endsInNumber says whether a reader other than ours may take the host for an
// IPv4 address: 2130706433, 0x7f.1 and 0177.0.0.1 are 127.0.0.1 to some (WHATWG
// URL, "ends in a number").
func endsInNumber(host string) bool {
	last := host[strings.LastIndexByte(host, '.')+1:]
	if last != "" && strings.Trim(last, "0123456789") == "" {
		return true
	}
	hex, ok := strings.CutPrefix(last, "0x")
	return ok && strings.Trim(hex, "0123456789abcdef") == ""
}

// parseLiteral reads an address in its one usual form: four decimals without
// leading zeros, or IPv6 without zone.
func parseLiteral(host string) (netip.Addr, error) {
	a, err := netip.ParseAddr(host)
	if err != nil || a.Zone() != "" {
		return netip.Addr{}, fmt.Errorf("%w: no plain IP address", ErrURL)
	}
	return a, nil
}
