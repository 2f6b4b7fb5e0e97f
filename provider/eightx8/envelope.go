package eightx8

import (
	"encoding/json"

	"github.com/callctl/callctl/provider"
)

// Webhook objects, in the names of the 8x8 pages.

// envelope is what every 8x8 webhook begins with. Chat Apps events have a
// namespace and a payload; account events (CABM) have an eventId and details.
type envelope struct {
	Version           provider.Scalar `json:"version"`
	Namespace         provider.Scalar `json:"namespace"`
	EventType         provider.Scalar `json:"eventType"`
	Payload           json.RawMessage `json:"payload"`
	EventID           provider.Scalar `json:"eventId"`
	Timestamp         provider.Scalar `json:"timestamp"`
	Provider          provider.Scalar `json:"provider"`
	BusinessAccountID provider.Scalar `json:"businessAccountId"`
	EventDetails      json.RawMessage `json:"eventDetails"`
}

// person is how 8x8 names a user: by phone number, by BSUID, or both. Version 2
// has the phone number's digits for a channelUserId.
type person struct {
	MSISDN        provider.Scalar `json:"msisdn"`
	ChannelUserID provider.Scalar `json:"channelUserId"`
}

// inbound is the payload of inbound_message_received.
type inbound struct {
	Umid         provider.Scalar `json:"umid"`
	SubAccountID provider.Scalar `json:"subAccountId"`
	Timestamp    provider.Scalar `json:"timestamp"`
	User         person          `json:"user"`
	Recipient    struct {
		Channel   provider.Scalar `json:"channel"`
		ChannelID provider.Scalar `json:"channelId"`
	} `json:"recipient"`
	Type        provider.Scalar `json:"type"`
	Content     content         `json:"content"`
	ReplyToUmid provider.Scalar `json:"replyToUmid"`
}

type content struct {
	Text        provider.Scalar `json:"text"`
	Caption     provider.Scalar `json:"caption"`
	Payload     provider.Scalar `json:"payload"`
	Image       captioned       `json:"image"`
	Video       captioned       `json:"video"`
	File        captioned       `json:"file"`
	Document    captioned       `json:"document"`
	Audio       captioned       `json:"audio"`
	Interactive interactive     `json:"interactive"`
}

// captioned is a medium that the user may have written something to.
type captioned struct {
	Text    provider.Scalar `json:"text"`
	Caption provider.Scalar `json:"caption"`
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
	PermissionSnake snakeReply      `json:"call_permission_reply"`
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

// snakeReply is a permissionReply in Meta's spelling.
type snakeReply struct {
	Response            provider.Scalar `json:"response"`
	IsPermanent         provider.Scalar `json:"is_permanent"`
	ExpirationTimestamp provider.Scalar `json:"expiration_timestamp"`
	ResponseSource      provider.Scalar `json:"response_source"`
}

// receipt is the payload of outbound_message_status_changed.
type receipt struct {
	Umid            provider.Scalar `json:"umid"`
	ClientMessageID provider.Scalar `json:"clientMessageId"`
	SubAccountID    provider.Scalar `json:"subAccountId"`
	Channel         provider.Scalar `json:"channel"`
	User            person          `json:"user"`
	Status          struct {
		State     provider.Scalar `json:"state"`
		Timestamp provider.Scalar `json:"timestamp"`
		ErrorCode provider.Scalar `json:"errorCode"`
	} `json:"status"`
	// encoding/json matches "whatsApp", which occurs, to it as well.
	WhatsApp struct {
		ProviderErrorCode provider.Scalar `json:"providerErrorCode"`
	} `json:"whatsapp"`
}
