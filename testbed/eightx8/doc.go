// Package eightx8 is a fake of the 8x8 Chat Apps API: outgoing messages, the
// call permission query, and inbound webhooks made from the samples of the 8x8
// pages. It is used by tests and by the demo, and shares no code with callctl.
package eightx8
