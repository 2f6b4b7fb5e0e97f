package handset

import (
	"cmp"
	"context"
	"time"

	"github.com/pion/rtcp"
)

// reportEvery is the usual interval of RTCP (RFC 3550 section 6.2: 5 s at least).
const reportEvery = 5 * time.Second

// ntpEpoch is the distance of the NTP epoch, 1900, from the Unix epoch.
const ntpEpoch = 2_208_988_800

// reportIn counts an RTCP packet of the business.
func (h *Handset) reportIn(keys *keys, datagram []byte) {
	keys.inMu.Lock()
	plain, err := keys.in.DecryptRTCP(nil, datagram, nil)
	keys.inMu.Unlock()
	if err != nil {
		return
	}
	if _, err := rtcp.Unmarshal(plain); err == nil {
		h.receiver().Report()
	}
}

// report sends sender reports once the user speaks, and says goodbye at the end.
func (h *Handset) report(ctx context.Context) {
	ticker := time.NewTicker(cmp.Or(h.behaviour.ReportEvery, reportEvery))
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			if h.sent.Load() {
				h.writeReports(h.senderReport(time.Now()))
			}
		case <-ctx.Done():
			if h.sent.Load() {
				h.writeReports(h.senderReport(time.Now()), &rtcp.Goodbye{Sources: []uint32{h.ssrcLabel}})
			}
			return
		}
	}
}

func (h *Handset) senderReport(now time.Time) rtcp.Packet {
	seconds := uint64(now.Unix()) + ntpEpoch
	fraction := uint64(now.Nanosecond()) << 32 / uint64(time.Second)
	return &rtcp.SenderReport{
		SSRC: h.ssrcLabel, NTPTime: seconds<<32 | fraction, RTPTime: h.lastTimestamp.Load(),
		PacketCount: h.spoken.Load(), OctetCount: h.octets.Load(),
	}
}

// writeReports seals one compound packet; a report that cannot be sent is lost.
func (h *Handset) writeReports(reports ...rtcp.Packet) {
	name := rtcp.NewCNAMESourceDescription(h.ssrcLabel, "WhatsAppAudioStream1")
	plain, err := rtcp.Marshal(append([]rtcp.Packet{reports[0], name}, reports[1:]...))
	if err != nil {
		return
	}
	keys := h.keys.Load()
	keys.outMu.Lock()
	sealed, err := keys.out.EncryptRTCP(nil, plain, nil)
	keys.outMu.Unlock()
	if err == nil {
		_, _ = h.socket.WriteToUDPAddrPort(sealed, *h.nominatedTo.Load())
	}
}
