package meta

import (
	"context"
	"time"
)

// The statuses of a template that bear on its use, in the webhook's words.
const (
	TemplateApproved = "APPROVED"
	TemplatePaused   = "PAUSED"
	TemplateRejected = "REJECTED"
	TemplateDisabled = "DISABLED"
	TemplateFlagged  = "FLAGGED"
)

// SetTemplate sets a template's status and posts the
// message_template_status_update that says so. Meta refuses to send one that is
// paused (132015), disabled (132016) or rejected (132001).
func (f *Fake) SetTemplate(ctx context.Context, name, language, status, reason string) error {
	f.mu.Lock()
	f.templates[name] = status
	f.mu.Unlock()
	value := templateOf(name, language)
	value["event"], value["reason"] = status, reason
	switch status {
	case TemplatePaused:
		value["other_info"] = map[string]any{"title": "FIRST_PAUSE", "description": "Paused for 3 hours: low quality"}
	case TemplateFlagged:
		value["disable_info"] = map[string]any{"disable_date": stamp(time.Now().Add(day))}
	}
	return f.post(ctx, Webhook{Field: "message_template_status_update", Value: value})
}

// TemplateQuality posts a message_template_quality_update, from one score (GREEN,
// YELLOW, RED, UNKNOWN) to another.
func (f *Fake) TemplateQuality(ctx context.Context, name, language, from, to string) error {
	value := templateOf(name, language)
	value["previous_quality_score"], value["new_quality_score"] = from, to
	return f.post(ctx, Webhook{Field: "message_template_quality_update", Value: value})
}

// TemplateCategory changes a template's category and posts the
// template_category_update that says so. A MARKETING template no longer reaches
// those who stopped marketing messages: 131050.
func (f *Fake) TemplateCategory(ctx context.Context, name, language, from, to string) error {
	f.mu.Lock()
	f.categories[name] = to
	f.mu.Unlock()
	value := templateOf(name, language)
	value["previous_category"], value["new_category"] = from, to
	return f.post(ctx, Webhook{Field: "template_category_update", Value: value})
}

// TemplateWarning posts the template_category_update that announces that Meta
// will change a category it deems wrong.
func (f *Fake) TemplateWarning(ctx context.Context, name, language, now, correct string, at time.Time) error {
	value := templateOf(name, language)
	value["new_category"], value["correct_category"] = now, correct
	value["category_update_timestamp"] = at.Unix()
	return f.post(ctx, Webhook{Field: "template_category_update", Value: value})
}

func templateOf(name, language string) map[string]any {
	return map[string]any{
		"message_template_id": 594425479261596, "message_template_name": name, "message_template_language": language,
	}
}

// templateRefusal is why a template cannot be sent, nil when it can. The caller
// holds mu.
func (f *Fake) templateRefusal(name string) *graphError {
	switch f.templates[name] {
	case TemplatePaused:
		return refusal(400, 132015, "(#132015) Template is Paused", "Template is paused due to low quality")
	case TemplateDisabled:
		return refusal(400, 132016, "(#132016) Template is Disabled", "Template has been paused too many times")
	case TemplateRejected:
		return refusal(404, 132001, "(#132001) Template name does not exist in the translation", "")
	}
	return nil
}
