package media

import (
	"encoding/binary"
	"time"
)

// ntpEpoch is the distance from the NTP era to Unix time in seconds (RFC 3550
// section 4).
const ntpEpoch = 2208988800

// appendSenderReport appends a compound packet of a sender report without report
// blocks and our canonical name (RFC 3550 sections 6.4.1 and 6.5).
func appendSenderReport(b []byte, ssrc, timestamp uint32, c *counters, now time.Time) []byte {
	const cname = "callctl"
	b = append(b, 2<<6, 200, 0, 6) // length in words, less one
	b = binary.BigEndian.AppendUint32(b, ssrc)
	b = binary.BigEndian.AppendUint32(b, uint32(now.Unix()+ntpEpoch))              // era 0 or 1, modulo
	b = binary.BigEndian.AppendUint32(b, uint32(uint64(now.Nanosecond())<<32/1e9)) // below 2^32
	b = binary.BigEndian.AppendUint32(b, timestamp)
	b = binary.BigEndian.AppendUint32(b, uint32(c.packetsOut.Load())) // modulo 2^32 by the RFC
	b = binary.BigEndian.AppendUint32(b, uint32(c.bytesOut.Load()))   // modulo 2^32 by the RFC

	// One chunk: SSRC, item CNAME, terminated and padded to a word.
	chunk := 4 + 2 + len(cname)
	pad := 4 - chunk%4
	b = append(b, 2<<6|1, 202, 0, byte((4+chunk+pad)/4-1))
	b = binary.BigEndian.AppendUint32(b, ssrc)
	b = append(b, 1, byte(len(cname)))
	b = append(b, cname...)

	return append(b, make([]byte, pad)...)
}
