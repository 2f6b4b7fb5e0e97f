package server

import (
	"context"
	"net/http"
	"time"

	"github.com/callctl/callctl/geo"
	"github.com/callctl/callctl/permissions"
)

// Permission is the state of a pair in the shape that the providers use
// (protocol: Meta "Get call permission state", 8x8 "callPermissions").
type Permission struct {
	Business          geo.E164           `json:"business"`
	User              permissions.User   `json:"user"`
	Status            permissions.Status `json:"status" enum:"no_permission,temporary,permanent"`
	Reason            permissions.Reason `json:"reason,omitempty" doc:"Why there is no permission"`
	ExpiresAt         time.Time          `json:"expiresAt,omitzero" doc:"By our own clock and rules; absent for permanent or none"`
	ProviderExpiresAt time.Time          `json:"providerExpiresAt,omitzero" doc:"The provider's expiry verbatim"`
	GrantedAt         time.Time          `json:"grantedAt,omitzero"`
	Grant             string             `json:"grant,omitempty" doc:"Event id of the grant"`
	GrantAuth         permissions.Auth   `json:"grantAuth,omitempty" doc:"How the grant was authenticated"`
	Verified          bool               `json:"verified" doc:"The grant was signed, or read back from the provider"`
	Doubted           bool               `json:"doubted,omitempty" doc:"The provider refused a call on the grant and has not confirmed it since"`
	ReadAt            time.Time          `json:"readAt,omitzero" doc:"When the provider was last asked"`
	DoNotCall         bool               `json:"doNotCall"`
	MessagesStopped   bool               `json:"messagesStopped,omitempty" doc:"The user wants no messages, or no marketing"`
	Unanswered        int                `json:"unanswered,omitempty" doc:"Calls in a row that the user did not answer or declined"`
	Zone              string             `json:"zone,omitempty" doc:"The user's own time zone (IANA), when given"`
	RequestedAt       time.Time          `json:"requestedAt,omitzero" doc:"The last request"`
	Epoch             int64              `json:"epoch" doc:"How many facts narrowed permission so far"`
	UpdatedAt         time.Time          `json:"updatedAt,omitzero"`
	Actions           []PermittedAction  `json:"actions" nullable:"false"`
}

// PermittedAction says whether an action is possible now.
type PermittedAction struct {
	Name       permissions.Action `json:"name" enum:"start_call,send_call_permission_request"`
	CanPerform bool               `json:"canPerform"`
	Reason     permissions.Reason `json:"reason,omitempty" doc:"Why not"`
	RetryAfter time.Time          `json:"retryAfter,omitzero" doc:"When not: the earliest time at which it would be, with no new fact"`
	Until      time.Time          `json:"until,omitzero" doc:"When it is: the earliest time at which it would not be, with no new fact"`
	Limits     []Limit            `json:"limits,omitempty"`
}

// Limit is one limit of an action.
type Limit struct {
	Rule     string    `json:"rule" doc:"The rule's name in the decision"`
	Period   string    `json:"period,omitempty" example:"PT24H" doc:"ISO 8601 duration; absent when the limit is per grant"`
	Max      int       `json:"max"`
	Used     int       `json:"used"`
	ResetsAt time.Time `json:"resetsAt,omitzero" doc:"Only when exhausted"`
}

// PairParams are the parameters that name a pair.
type PairParams struct {
	Business string `path:"business" example:"+6531234567" doc:"E.164; the plus is %2B"`
	User     string `path:"user" example:"+6591234567" doc:"E.164 (the plus is %2B) or BSUID"`
}

type permissionListInput struct {
	PageParams
	Business string `query:"business" doc:"Only this business number"`
}

type permissionOutput struct{ Body Permission }

func (s *Server) permissionRoutes() {
	register(s, operation{
		method: http.MethodGet, path: "/v1/permissions", id: "listPermissions", tag: "Permissions", scope: ScopeRead,
		summary: "The state of every pair of business and user",
	}, s.listPermissions)
	register(s, operation{
		method: http.MethodGet, path: "/v1/permissions/{business}/{user}", id: "getPermission", tag: "Permissions", scope: ScopeRead,
		summary: "The state of one pair, and what may be done now",
	}, s.getPermission)
	register(s, operation{
		method: http.MethodGet, path: "/v1/permissions/{business}/{user}/events", id: "listPermissionEvents", tag: "Permissions", scope: ScopeRead,
		summary: "The facts behind the state, in the order in which they became known, each with the webhook that brought it",
	}, s.listPermissionEvents)
	register(s, operation{
		method: http.MethodPost, path: "/v1/permissions/{business}/{user}/requests", id: "requestPermission", tag: "Permissions", scope: ScopeWrite,
		status: http.StatusAccepted, summary: "Ask the user for permission to call",
		description: "The gate decides and the request is recorded before anything is sent. A refusal is 403; when the provider does not take the message the answer is 502, and the request counts.",
	}, s.requestPermission)
}

func (s *Server) listPermissions(ctx context.Context, in *permissionListInput) (*listOutput[Permission], error) {
	var business geo.E164
	if in.Business != "" {
		var err error
		if business, err = parseBusiness("query.business", in.Business); err != nil {
			return nil, err
		}
	}
	found, next, err := s.cfg.Ledger.Permissions(ctx, business, in.page())
	if err != nil {
		return nil, err
	}
	out := &listOutput[Permission]{Body: list[Permission]{Items: make([]Permission, 0, len(found)), NextCursor: next}}
	for _, p := range found {
		shown, err := s.showPermission(ctx, p)
		if err != nil {
			return nil, err
		}
		out.Body.Items = append(out.Body.Items, shown)
	}
	return out, nil
}

func (s *Server) getPermission(ctx context.Context, in *PairParams) (*permissionOutput, error) {
	pair, err := s.knownPair(ctx, "path", in.Business, in.User)
	if err != nil {
		return nil, err
	}
	shown, err := s.permission(ctx, pair)
	if err != nil {
		return nil, err
	}
	return &permissionOutput{Body: shown}, nil
}

// permission is the state of a pair now, under the address that was asked for.
func (s *Server) permission(ctx context.Context, pair permissions.Pair) (Permission, error) {
	p, err := s.cfg.Ledger.Permission(ctx, pair)
	if err != nil {
		return Permission{}, err
	}
	p.Pair = pair
	return s.showPermission(ctx, p)
}

func (s *Server) showPermission(ctx context.Context, p permissions.Permission) (Permission, error) {
	out := Permission{
		Business: p.Pair.Business, User: p.Pair.User, Status: p.Status,
		ExpiresAt: utc(p.Expires), ProviderExpiresAt: utc(p.ProviderEx), GrantedAt: utc(p.GrantedAt),
		Grant: p.Grant, GrantAuth: p.GrantAuth, Verified: p.Verified, Doubted: p.Doubted, ReadAt: utc(p.ReadAt),
		DoNotCall: p.DoNotCall, MessagesStopped: p.MessagesStopped, Unanswered: p.Unanswered, Zone: p.Zone,
		RequestedAt: utc(p.Requested), Epoch: p.Epoch, UpdatedAt: utc(p.UpdatedAt),
	}
	if out.Status == "" {
		out.Status = permissions.StatusNone
	}
	if p.Reason != permissions.Allowed {
		out.Reason = p.Reason
	}
	for _, action := range []permissions.Action{permissions.RequestPermission, permissions.StartCall} {
		q := permissions.Query{Pair: p.Pair, Action: action}
		if a, ok := s.accountOf(p.Pair.Business); ok && action == permissions.RequestPermission && a.Template.Name != "" {
			q.Template = a.Template.Name + "/" + a.Template.Language // what a request would send
		}
		d, err := s.cfg.Ledger.Check(ctx, q)
		if err != nil {
			return Permission{}, err
		}
		out.Actions = append(out.Actions, showAction(action, d))
	}
	return out, nil
}

func showAction(name permissions.Action, d permissions.Decision) PermittedAction {
	a := PermittedAction{Name: name, CanPerform: d.Allow, Until: utc(d.Until), Limits: limits(d.Rules)}
	if !d.Allow {
		a.Reason, a.RetryAfter = d.Reason, utc(d.RetryAfter)
	}
	return a
}

// utc keeps a zero time zero.
func utc(t time.Time) time.Time {
	if t.IsZero() {
		return t
	}
	return t.UTC()
}
