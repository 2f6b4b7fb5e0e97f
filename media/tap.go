package media

// Tap listens to the voice that both peers of a relay send. Each method is called
// by the goroutine that reads that stream, for every audio packet as the peer sent
// it, before anything is converted; telephone events are left out (what is keyed in
// may be a card number). It must return at once, may not keep payload, which is the
// reader's buffer, and may not change it.
type Tap interface {
	FromWhatsApp(codec Codec, payload []byte, sequence uint16, timestamp uint32)
	FromPBX(codec Codec, payload []byte, sequence uint16, timestamp uint32)
}
