package provider

// Template is a message template that asks for call permission.
type Template struct {
	Name     string
	Language string
	Params   []string // body parameters, in order
}

// Components are the template's components as both providers take them: the body's
// parameters, none when there are no parameters.
func (t Template) Components() []TemplateComponent {
	if len(t.Params) == 0 {
		return nil
	}
	body := TemplateComponent{Type: "body"}
	for _, param := range t.Params {
		body.Parameters = append(body.Parameters, TemplateParameter{Type: "text", Text: param})
	}
	return []TemplateComponent{body}
}

// TemplateComponent is one component of a template message (8x8 writes Meta's form).
type TemplateComponent struct {
	Type       string              `json:"type"`
	Parameters []TemplateParameter `json:"parameters"`
}

// TemplateParameter fills one variable of a component.
type TemplateParameter struct {
	Type string `json:"type"`
	Text string `json:"text"`
}
