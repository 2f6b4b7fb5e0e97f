// Package media is the RTP plane: ports, streams, relay; no SIP, no SQL.
//
// A call has two streams: a [WebRTCStream] towards WhatsApp (ICE, DTLS-SRTP) and
// an [RTPStream] towards the PBX (RTP/AVP). A [Relay] joins them: the goroutine
// that reads one stream rewrites the RTP header in place and writes to the other
// stream, with no allocation, no channel and no lock. Each direction is owned by
// one goroutine: the reader of the PBX socket is the only one that writes RTP and
// RTCP to WhatsApp (silence and reports included), the reader of the WhatsApp
// socket is the only one that writes to the PBX.
//
// Sequence, timestamp and SSRC towards WhatsApp are continuous for the whole call
// whatever the other side does.
package media
