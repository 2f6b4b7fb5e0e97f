package eightx8

import (
	"encoding/json"

	"github.com/callctl/callctl/provider"
)

// Webhook objects, in the names of the 8x8 pages.

// envelope is what every 8x8 webhook begins with. Chat Apps events have a
// namespace and a payload; account events (CABM) have an eventId and details.
type envelope struct {
	Version   provider.Scalar `json:"version"`
	Namespace provider.Scalar `json:"namespace"`
	EventType provider.Scalar `json:"eventType"`
	Payload   json.RawMessage `json:"payload"`
}

// inbound is the payload of inbound_message_received.
type inbound struct {
	Umid         provider.Scalar `json:"umid"`
	SubAccountID provider.Scalar `json:"subAccountId"`
	Timestamp    provider.Scalar `json:"timestamp"`
	User         struct {
		MSISDN        provider.Scalar `json:"msisdn"`
		ChannelUserID provider.Scalar `json:"channelUserId"`
	} `json:"user"`
	Recipient struct {
		Channel   provider.Scalar `json:"channel"`
		ChannelID provider.Scalar `json:"channelId"`
	} `json:"recipient"`
	Type    provider.Scalar `json:"type"`
	Content struct {
		Text        provider.Scalar `json:"text"`
		Payload     provider.Scalar `json:"payload"`
		Interactive interactive     `json:"interactive"`
	} `json:"content"`
	ReplyToUmid provider.Scalar `json:"replyToUmid"`
}

// interactive names its members in snake case on one page and in camel case on
// another, so both are read.
type interactive struct {
	Type            provider.Scalar `json:"type"`
	ButtonReply     chosen          `json:"button_reply"`
	ButtonReplyCase chosen          `json:"buttonReply"`
	ListReply       chosen          `json:"list_reply"`
	ListReplyCase   chosen          `json:"listReply"`
	PermissionReply permissionReply `json:"callPermissionReply"`
}

// chosen is a button or list row that the user tapped.
type chosen struct {
	ID    provider.Scalar `json:"id"`
	Title provider.Scalar `json:"title"`
}

type permissionReply struct {
	Response            provider.Scalar `json:"response"`
	IsPermanent         provider.Scalar `json:"isPermanent"`
	ExpirationTimestamp provider.Scalar `json:"expirationTimestamp"`
	ResponseSource      provider.Scalar `json:"responseSource"`
}
