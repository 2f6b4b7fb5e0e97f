// Package meta is a fake of Meta's Graph API for messages and calling, as its
// pages "Cloud API calling" describe it: bearer tokens, permissions per user,
// connect, pre_accept, accept, reject and terminate, call webhooks with their
// signature, and a WhatsApp handset behind every call. It is used by tests and by
// the demo, and shares no code with callctl.
package meta
