package server

import "github.com/callctl/callctl/permissions"

// PageParams are the parameters that page a list.
type PageParams struct {
	Limit  int    `query:"limit" minimum:"1" maximum:"500" default:"50" doc:"At most this many"`
	Cursor string `query:"cursor" maxLength:"512" doc:"nextCursor of the page before"`
}

func (p PageParams) page() permissions.Page {
	return permissions.Page{Limit: p.Limit, Cursor: p.Cursor}
}

// list is one page.
type list[T any] struct {
	Items      []T    `json:"items" nullable:"false"`
	NextCursor string `json:"nextCursor,omitempty" doc:"Absent on the last page"`
}

type listOutput[T any] struct {
	Body list[T]
}

// listed converts a page.
func listed[F, T any](from []F, next string, convert func(F) T) *listOutput[T] {
	out := &listOutput[T]{Body: list[T]{Items: make([]T, 0, len(from)), NextCursor: next}}
	for _, f := range from {
		out.Body.Items = append(out.Body.Items, convert(f))
	}
	return out
}

// cut takes a list of which one more than limit was asked for, and says whether
// another page follows: the last page has no cursor, also when it is full.
func cut[T any](found []T, limit int) (page []T, more bool) {
	if len(found) <= limit {
		return found, false
	}
	return found[:limit], true
}
