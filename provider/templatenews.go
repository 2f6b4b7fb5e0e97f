package provider

import (
	"strconv"
	"strings"
	"unicode"

	"github.com/callctl/callctl/permissions"
)

// template reads the events of message templates. The notice names the template
// as requests do: name/language, with Meta's underscore in the language.
func (r *Reader) template(event string, base permissions.Notice, said Members) {
	said = said.With("meta")
	name := label(said.Scalar("message_template_name", "template_name"))
	language := label(said.Scalar("message_template_language", "template_language"))
	if name == "" || language == "" {
		r.Malformed(event + ".template")
		return
	}
	base.Template = name + "/" + strings.ReplaceAll(language, "-", "_")
	missing := ""
	switch event {
	case templateStatus:
		missing = templateStatusOf(&base, said)
	case templateQuality:
		base.Kind = permissions.TemplateQuality
		base.Status = Word(said.Scalar("new_quality_score"))
		base.Type, missing = Word(said.Scalar("previous_quality_score")), "new_quality_score"
	case templateCategory, templateWarning:
		missing = templateCategoryOf(event, &base, said)
	case templateComponents:
		base.Kind, base.Event = permissions.AccountNews, Word(Scalar(event))
		r.Notice(base)
		return
	}
	if base.Status == "" {
		r.Malformed(event + "." + missing)
		return
	}
	r.Notice(base)
}

// templateStatusOf reads a status and why: the reason, or else the title of what
// happened, such as FIRST_PAUSE.
func templateStatusOf(n *permissions.Notice, said Members) (missing string) {
	n.Kind = permissions.TemplateStatus
	n.Status = Word(said.Scalar("event", "status"))
	why := said.Object("other_info")
	if n.Type = Word(said.Scalar("reason")); n.Type == "" || n.Type == "NONE" {
		n.Type = Word(why.Scalar("title"))
	}
	n.Remediation = advice(said.With("other_info").With("rejection_info").Scalar("recommendation", "description"))
	if date := said.Object("disable_info").Scalar("disable_date"); date != "" && n.Remediation == "" {
		n.Remediation = "to be disabled on " + Word(date)
		if at, err := date.Time(); err == nil {
			n.Remediation = "to be disabled on " + at.Format("2006-01-02")
		}
	}
	return "event"
}

// templateCategoryOf reads a change of category. A webhook that names the correct
// category announces the change; new_category is then the one that still holds.
func templateCategoryOf(event string, n *permissions.Notice, said Members) (missing string) {
	if correct := Word(said.Scalar("correct_category")); correct != "" || event == templateWarning {
		n.Kind, n.Status = permissions.TemplateWarned, correct
		n.Type = Word(said.Scalar("new_category", "category"))
		n.Until, _ = said.Scalar("category_update_timestamp").Time()
		return "correct_category"
	}
	n.Kind, n.Status = permissions.TemplateCategory, Word(said.Scalar("new_category"))
	n.Type = Word(said.Scalar("previous_category"))
	return "new_category"
}

// maxLabel is the longest name of a template, in bytes (Meta, message templates).
const maxLabel = 512

// label is a name that the business gave, fit to be shown.
func label(s Scalar) string {
	text := strings.TrimSpace(string(s))
	if len(text) > maxLabel || strings.ContainsFunc(text, func(r rune) bool {
		return unicode.IsControl(r) || unicode.IsSpace(r) || r == '/' || r == unicode.ReplacementChar
	}) {
		return ""
	}
	return text
}

// numbered is the id of the i-th notice of an event, counted from 0.
func numbered(id string, i int) string {
	if i == 0 {
		return id
	}
	return id + "#" + strconv.Itoa(i+1)
}
