package meta

import (
	"encoding/json"

	"github.com/callctl/callctl/provider"
)

// Webhook objects, in Meta's names (protocol: Meta, webhook components). Lists
// stay raw so that one bad element costs only itself; scalars are read leniently
// because Meta writes them now as strings and now as numbers.

type envelope struct {
	Object provider.Scalar `json:"object"`
	Entry  json.RawMessage `json:"entry"`
}

type entry struct {
	ID      provider.Scalar `json:"id"`   // of the business account; "0" in some account events
	Time    provider.Scalar `json:"time"` // when Meta sent it
	Changes json.RawMessage `json:"changes"`
}

type change struct {
	Field provider.Scalar `json:"field"`
	Value json.RawMessage `json:"value"`
}

type value struct {
	Metadata struct {
		PhoneNumberID provider.Scalar `json:"phone_number_id"`
	} `json:"metadata"`
	Contacts json.RawMessage `json:"contacts"`
	Messages json.RawMessage `json:"messages"`
	Statuses json.RawMessage `json:"statuses"`
	Calls    json.RawMessage `json:"calls"`
	Errors   json.RawMessage `json:"errors"`
}

type contact struct {
	WAID         provider.Scalar `json:"wa_id"`
	UserID       provider.Scalar `json:"user_id"`
	ParentUserID provider.Scalar `json:"parent_user_id"`
}

// failure is an element of an errors list.
type failure struct {
	Code provider.Scalar `json:"code"`
}

type message struct {
	From             provider.Scalar `json:"from"`
	FromUserID       provider.Scalar `json:"from_user_id"`
	FromParentUserID provider.Scalar `json:"from_parent_user_id"`
	ID               provider.Scalar `json:"id"`
	Timestamp        provider.Scalar `json:"timestamp"`
	Type             provider.Scalar `json:"type"`
	Context          struct {
		ID provider.Scalar `json:"id"`
	} `json:"context"`
	Text struct {
		Body provider.Scalar `json:"body"`
	} `json:"text"`
	Image    captioned `json:"image"`
	Video    captioned `json:"video"`
	Document captioned `json:"document"`
	Audio    captioned `json:"audio"`
	Order    struct {
		Text provider.Scalar `json:"text"`
	} `json:"order"`
	System json.RawMessage `json:"system"`
	Edit   struct {
		Message json.RawMessage `json:"message"`
	} `json:"edit"`
	Button struct {
		Text    provider.Scalar `json:"text"`
		Payload provider.Scalar `json:"payload"`
	} `json:"button"`
	Interactive struct {
		Type        provider.Scalar `json:"type"`
		ButtonReply chosen          `json:"button_reply"`
		ListReply   chosen          `json:"list_reply"`
		Reply       permissionReply `json:"call_permission_reply"`
	} `json:"interactive"`
}

// captioned is a medium that the user may have written something to.
type captioned struct {
	Caption provider.Scalar `json:"caption"`
}

// chosen is a button or list row that the user tapped.
type chosen struct {
	ID    provider.Scalar `json:"id"`
	Title provider.Scalar `json:"title"`
}

type permissionReply struct {
	Response            provider.Scalar `json:"response"`
	IsPermanent         provider.Scalar `json:"is_permanent"`
	ExpirationTimestamp provider.Scalar `json:"expiration_timestamp"`
	ResponseSource      provider.Scalar `json:"response_source"`
}

type status struct {
	ID                    provider.Scalar `json:"id"`
	Timestamp             provider.Scalar `json:"timestamp"`
	Type                  provider.Scalar `json:"type"`
	Status                provider.Scalar `json:"status"`
	RecipientType         provider.Scalar `json:"recipient_type"`
	RecipientID           provider.Scalar `json:"recipient_id"`
	RecipientUserID       provider.Scalar `json:"recipient_user_id"`
	RecipientParentUserID provider.Scalar `json:"recipient_parent_user_id"`
	Opaque                provider.Scalar `json:"biz_opaque_callback_data"`
	Errors                json.RawMessage `json:"errors"`
}

type call struct {
	ID              provider.Scalar `json:"id"`
	To              provider.Scalar `json:"to"`
	ToUserID        provider.Scalar `json:"to_user_id"`
	From            provider.Scalar `json:"from"`
	FromUserID      provider.Scalar `json:"from_user_id"`
	Event           provider.Scalar `json:"event"`
	Timestamp       provider.Scalar `json:"timestamp"`
	Direction       provider.Scalar `json:"direction"`
	Status          provider.Scalar `json:"status"`
	StartTime       provider.Scalar `json:"start_time"`
	EndTime         provider.Scalar `json:"end_time"`
	Duration        provider.Scalar `json:"duration"`
	Opaque          provider.Scalar `json:"biz_opaque_callback_data"`
	DeeplinkPayload provider.Scalar `json:"deeplink_payload"`
	CTAPayload      provider.Scalar `json:"cta_payload"`
	Errors          json.RawMessage `json:"errors"`
	Session         struct {
		SDPType provider.Scalar `json:"sdp_type"`
		SDP     provider.Scalar `json:"sdp"`
	} `json:"session"`
}

// list splits a raw JSON list; absent and null are empty, anything else that is
// no list is an error.
func list(raw json.RawMessage) ([]json.RawMessage, error) {
	if len(raw) == 0 {
		return nil, nil
	}
	var elements []json.RawMessage
	err := json.Unmarshal(raw, &elements)
	return elements, err
}

// codes are the error codes of a raw errors list, unreadable ones left out.
func codes(raw json.RawMessage) []int {
	var found []int
	elements, err := list(raw)
	if err != nil {
		return nil
	}
	for _, element := range elements {
		var f failure
		if provider.Unmarshal(element, &f) != nil {
			continue
		}
		if code, err := f.Code.Int(); err == nil {
			found = append(found, int(code))
		}
	}
	return found
}
