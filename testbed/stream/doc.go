// Package stream is one RTP stream each way (RFC 3550) as the fakes of testbed
// need it: a sender that puts one payload on the wire every 20 ms and a receiver
// that keeps and counts what it heard.
package stream
