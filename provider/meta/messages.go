package meta

import (
	"context"
	"fmt"
	"unicode/utf8"

	"github.com/callctl/callctl/permissions"
	"github.com/callctl/callctl/provider"
)

// maxText is the longest text message, in characters (protocol: Meta, text messages).
const maxText = 4096

type sendRequest struct {
	Product       string `json:"messaging_product"`
	RecipientType string `json:"recipient_type"`
	addressee
	Type     string        `json:"type"`
	Template *sendTemplate `json:"template,omitempty"`
	Text     *sendText     `json:"text,omitempty"`
	Opaque   string        `json:"biz_opaque_callback_data,omitempty"`
}

type sendText struct {
	Body string `json:"body"`
}

type sendTemplate struct {
	Name       string                       `json:"name"`
	Language   sendLanguage                 `json:"language"`
	Components []provider.TemplateComponent `json:"components,omitempty"`
}

type sendLanguage struct {
	Code string `json:"code"`
}

// RequestPermission sends the template, which must have a call permission request
// component, and returns Meta's message id (wamid). id comes back in status
// webhooks as biz_opaque_callback_data. It is sent once: after an error that is
// no *provider.APIError the user may have the message all the same.
func (a *Account) RequestPermission(ctx context.Context, to permissions.User, t provider.Template, id string) (string, error) {
	if t.Name == "" || t.Language == "" {
		return "", fmt.Errorf("meta: %w: the template has no name or no language", provider.ErrRequest)
	}
	template := &sendTemplate{Name: t.Name, Language: sendLanguage{Code: t.Language}, Components: t.Components()}
	return a.send(ctx, to, sendRequest{Type: "template", Template: template, Opaque: id})
}

// SendText sends a text of at most 4,096 characters; Meta delivers it only within
// 24 hours of the user's last message. It is sent once, as RequestPermission is.
func (a *Account) SendText(ctx context.Context, to permissions.User, text, id string) (string, error) {
	if text == "" || utf8.RuneCountInString(text) > maxText {
		return "", fmt.Errorf("meta: %w: the text is empty or longer than %d characters", provider.ErrRequest, maxText)
	}
	return a.send(ctx, to, sendRequest{Type: "text", Text: &sendText{Body: text}, Opaque: id})
}

func (a *Account) send(ctx context.Context, to permissions.User, req sendRequest) (string, error) {
	whom, err := address(string(to))
	if err != nil {
		return "", err
	}
	if len(req.Opaque) > maxOpaque {
		return "", fmt.Errorf("meta: %w: the id is longer than %d bytes", provider.ErrRequest, maxOpaque)
	}
	req.Product, req.RecipientType, req.addressee = product, "individual", whom
	var sent struct {
		Messages []struct {
			ID string `json:"id"`
		} `json:"messages"`
	}
	if err := a.post(ctx, "messages", req, &sent); err != nil {
		return "", err
	}
	if len(sent.Messages) == 0 || sent.Messages[0].ID == "" {
		return "", fmt.Errorf("meta: messages: %w: no message id", provider.ErrAnswer)
	}
	return sent.Messages[0].ID, nil
}
