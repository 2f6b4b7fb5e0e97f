package eightx8

import (
	"context"
	"encoding/json"
	"fmt"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/callctl/callctl/permissions"
	"github.com/callctl/callctl/provider"
)

const (
	maxClientMessageID = 50   // characters (protocol: 8x8, send a message)
	maxText            = 4096 // characters, WhatsApp's limit
)

type sendRequest struct {
	User            sendUser    `json:"user"`
	ClientMessageID string      `json:"clientMessageId,omitempty"`
	Type            string      `json:"type"`
	Content         sendContent `json:"content"`
}

type sendUser struct {
	MSISDN        string `json:"msisdn,omitempty"`
	ChannelUserID string `json:"channelUserId,omitempty"`
}

type sendContent struct {
	Text     string        `json:"text,omitempty"`
	Template *sendTemplate `json:"template,omitempty"`
}

type sendTemplate struct {
	Language   string                       `json:"language"`
	Name       string                       `json:"name"`
	Components []provider.TemplateComponent `json:"components,omitempty"`
}

// RequestPermission sends the template, which must have a CALL_PERMISSION_REQUEST
// component, and returns 8x8's message id (umid). id comes back in delivery
// reports as clientMessageId. It is sent once: after an error that is no
// *provider.APIError the user may have the message all the same.
func (a *Account) RequestPermission(ctx context.Context, to permissions.User, t provider.Template, id string) (string, error) {
	if t.Name == "" || t.Language == "" {
		return "", fmt.Errorf("8x8: %w: the template has no name or no language", provider.ErrRequest)
	}
	template := &sendTemplate{Name: t.Name, Language: t.Language, Components: t.Components()}
	return a.send(ctx, to, sendRequest{Type: "template", ClientMessageID: id, Content: sendContent{Template: template}})
}

// SendText sends a text of at most 4,096 characters; it is delivered only within
// 24 hours of the user's last message. It is sent once, as RequestPermission is.
func (a *Account) SendText(ctx context.Context, to permissions.User, text, id string) (string, error) {
	if text == "" || utf8.RuneCountInString(text) > maxText {
		return "", fmt.Errorf("8x8: %w: the text is empty or longer than %d characters", provider.ErrRequest, maxText)
	}
	return a.send(ctx, to, sendRequest{Type: "text", ClientMessageID: id, Content: sendContent{Text: text}})
}

func (a *Account) send(ctx context.Context, to permissions.User, req sendRequest) (string, error) {
	user, ok := provider.ParseUser(string(to))
	if !ok {
		return "", fmt.Errorf("8x8: %w: the user is no phone number and no BSUID", provider.ErrRequest)
	}
	if utf8.RuneCountInString(req.ClientMessageID) > maxClientMessageID {
		return "", fmt.Errorf("8x8: %w: the id is longer than %d characters", provider.ErrRequest, maxClientMessageID)
	}
	if number, phone := user.Number(); phone {
		req.User.MSISDN = string(number)
	} else {
		req.User.ChannelUserID = string(user)
	}
	answer, err := a.api.Post(ctx, a.path+"/messages", req)
	if err != nil {
		return "", fmt.Errorf("8x8: messages: %w", err)
	}
	return a.sent(answer)
}

// sent reads the answer to a message. 8x8 may accept a request and reject the
// message in the same answer.
func (a *Account) sent(answer provider.Answer) (string, error) {
	if !answer.OK() {
		return "", a.refusal(answer)
	}
	var sent struct {
		Umid   provider.Scalar `json:"umid"`
		Status struct {
			State        provider.Scalar `json:"state"`
			ErrorCode    provider.Scalar `json:"errorCode"`
			ErrorMessage provider.Scalar `json:"errorMessage"`
		} `json:"status"`
	}
	if !json.Valid(answer.Body) || provider.Unmarshal(answer.Body, &sent) != nil {
		return "", fmt.Errorf("8x8: messages: %w", provider.ErrAnswer)
	}
	if sent.Status.State.Is("rejected") {
		return "", a.apiError(answer, sent.Status.ErrorCode, "the message was rejected: "+sent.Status.ErrorMessage, "")
	}
	if sent.Umid == "" {
		return "", fmt.Errorf("8x8: messages: %w: no umid", provider.ErrAnswer)
	}
	return string(sent.Umid), nil
}

// refusal reads 8x8's error object.
func (a *Account) refusal(answer provider.Answer) error {
	var failed struct {
		Code    provider.Scalar `json:"code"`
		Message provider.Scalar `json:"message"`
		ErrorID provider.Scalar `json:"errorId"`
	}
	if provider.Unmarshal(answer.Body, &failed) != nil {
		return a.apiError(answer, "", "", "")
	}
	return a.apiError(answer, failed.Code, failed.Message, failed.ErrorID)
}

func (a *Account) apiError(answer provider.Answer, code, message, id provider.Scalar) error {
	refused := &provider.APIError{
		Provider: name, Status: answer.Status, Message: provider.Redact(string(message)),
		RetryAfter: answer.RetryAfter(a.cfg.Now()), ID: errorID(id),
	}
	if refused.Message == "" {
		refused.Message = "the answer does not say why"
	}
	if n, err := code.Int(); err == nil {
		refused.Code = int(n)
	}
	return refused
}

// errorID keeps an id that is safe to log: a UUID, which 8x8's support asks for.
func errorID(id provider.Scalar) string {
	parsed, err := uuid.Parse(string(id))
	if err != nil {
		return ""
	}
	return parsed.String()
}
