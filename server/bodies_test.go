package server_test

import (
	"fmt"
	"strings"
	"time"
)

// change wraps a value as Meta sends it.
func change(field, value string) []byte {
	return fmt.Appendf(nil, `{"object":"whatsapp_business_account","entry":[{"id":"102290129340398","changes":[{"field":%q,"value":%s}]}]}`, field, value)
}

// value is the value of a messages change, with the messages given.
func value(pnid string, messages ...string) string {
	return fmt.Sprintf(`{"messaging_product":"whatsapp","metadata":{"display_phone_number":"6531234567","phone_number_id":%q},`+
		`"contacts":[{"profile":{"name":"Ann"},"wa_id":"6591234567"}],"messages":[%s]}`, pnid, strings.Join(messages, ","))
}

func reply(id, response string) string {
	expires := ""
	if response == "accept" {
		expires = fmt.Sprintf(`"is_permanent":false,"expiration_timestamp":"%d",`, time.Now().Add(48*time.Hour).Unix())
	}
	return fmt.Sprintf(`{"from":"6591234567","id":%q,"timestamp":"%d","type":"interactive","context":{"from":"6531234567","id":"wamid.REQ1"},`+
		`"interactive":{"type":"call_permission_reply","call_permission_reply":{"response":%q,%s"response_source":"user_action"}}}`,
		id, time.Now().Unix(), response, expires)
}

func text(id, body string) string {
	return fmt.Sprintf(`{"from":"6591234567","id":%q,"timestamp":"%d","type":"text","text":{"body":%q}}`, id, time.Now().Unix(), body)
}

// grant is a signed permission reply of the customer, as one delivery.
func grant(id string) []byte { return change("messages", value(phoneNumberID, reply(id, "accept"))) }

// connect is a calls change: the customer calls the business.
func connect(wacid string) []byte {
	return change("calls", fmt.Sprintf(`{"messaging_product":"whatsapp","metadata":{"display_phone_number":"6531234567","phone_number_id":%q},`+
		`"contacts":[{"profile":{"name":"Ann"},"wa_id":"6591234567"}],`+
		`"calls":[{"id":%q,"to":"6531234567","from":"6591234567","event":"connect","timestamp":"%d","direction":"USER_INITIATED","session":{"sdp_type":"offer","sdp":"v=0\r\n"}}]}`,
		phoneNumberID, wacid, time.Now().Unix()))
}

// reply8x8 is the sample of the 8x8 page with fresh ids and times.
func reply8x8(umid string) []byte {
	now := time.Now().UTC()
	return fmt.Appendf(nil, `{"namespace":"ChatApps","eventType":"inbound_message_received","description":"ChatApps inbound message",
"payload":{"umid":%q,"subAccountId":%q,"timestamp":%q,"user":{"msisdn":%q,"channelUserId":%q},
"recipient":{"channel":"whatsapp","channelId":%q},"type":"Interactive",
"content":{"interactive":{"type":"callPermissionReply","callPermissionReply":{"response":"accept","isPermanent":false,"expirationTimestamp":%q,"responseSource":"user_action"}}}}}`,
		umid, subAccount, now.Format("2006-01-02T15:04:05.00Z"), customer, customer[1:], channel, now.Add(8*time.Hour).Format("2006-01-02T15:04:05.00Z"))
}
