package server

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/callctl/callctl/geo"
	"github.com/callctl/callctl/media"
	"github.com/callctl/callctl/permissions"
	"github.com/callctl/callctl/sipbridge"
)

// stateEnded is the state of a call that has a record.
const stateEnded = "ended"

// Call is a live call, or the record of an ended one: what is known only at the
// end is absent before.
type Call struct {
	ID         string              `json:"id"`
	State      string              `json:"state" enum:"connecting,ringing,answered,bridged,ending,ended"`
	Account    string              `json:"account,omitempty"`
	Direction  sipbridge.Direction `json:"direction" enum:"BUSINESS_INITIATED,USER_INITIATED"`
	Business   geo.E164            `json:"business"`
	User       string              `json:"user"`
	Agent      string              `json:"agent,omitempty"`
	CallbackID string              `json:"callbackId,omitempty"`
	Purpose    string              `json:"purpose,omitempty"`
	Wacid      string              `json:"wacid,omitempty" doc:"The provider's id of the call"`
	SIPCallID  string              `json:"sipCallId,omitempty"`

	StartedAt       time.Time `json:"startedAt"`
	UserRingingAt   time.Time `json:"userRingingAt,omitzero"`
	AnsweredAt      time.Time `json:"answeredAt,omitzero" doc:"The WhatsApp user answered, or was answered"`
	AgentAnsweredAt time.Time `json:"agentAnsweredAt,omitzero"`
	MediaUpAt       time.Time `json:"mediaUpAt,omitzero" doc:"ICE and DTLS were up"`
	BridgedAt       time.Time `json:"bridgedAt,omitzero"`
	EndedAt         time.Time `json:"endedAt,omitzero"`

	Disposition      string  `json:"disposition,omitempty" example:"ANSWERED"`
	Outcome          string  `json:"outcome,omitempty" example:"connected"`
	EndedBy          string  `json:"endedBy,omitempty" example:"user"`
	Cause            string  `json:"cause,omitempty"`
	SIPStatus        int     `json:"sipStatus,omitempty"`
	ProviderCodes    []int   `json:"providerCodes,omitempty"`
	ProviderDuration float64 `json:"providerDuration,omitempty" doc:"Seconds, by the provider"`

	Recordings      []sipbridge.Recording `json:"recordings,omitempty"`
	RecordingFailed string                `json:"recordingFailed,omitempty" doc:"Why a track was not recorded"`

	WhatsApp media.StreamStats `json:"whatsapp"`
	PBX      media.StreamStats `json:"pbx"`

	DecisionIndex *int64 `json:"decisionIndex,omitempty" doc:"Audit index of the decision that allowed the call"`
	AuditIndex    *int64 `json:"auditIndex,omitempty" doc:"Audit index of the call's record"`
}

type callInput struct {
	Body struct {
		Business string          `json:"business" example:"+6531234567"`
		User     string          `json:"user" example:"+6591234567"`
		Agent    string          `json:"agent,omitempty" maxLength:"256" doc:"Extension or SIP URI on the trunk"`
		Purpose  string          `json:"purpose,omitempty" maxLength:"200"`
		Order    sipbridge.Order `json:"order,omitempty" enum:"agent_first,user_first" default:"agent_first"`
	}
}

// PlacedCall is a call that the gate allowed and that is on its way.
type PlacedCall struct {
	ID string `json:"id"`
}

type placedOutput struct {
	Location string `header:"Location"`
	Body     PlacedCall
}

type callListInput struct {
	PageParams
	State string `query:"state" enum:"live,ended" doc:"Both when absent; live calls are all on the first page"`
}

type callOutput struct{ Body Call }

func (s *Server) callRoutes() {
	register(s, operation{
		method: http.MethodGet, path: "/v1/calls", id: "listCalls", tag: "Calls", scope: ScopeRead,
		summary: "Live calls, then ended ones, newest first",
	}, s.listCalls)
	register(s, operation{
		method: http.MethodPost, path: "/v1/calls", id: "placeCall", tag: "Calls", scope: ScopeWrite,
		status: http.StatusAccepted, summary: "Call this user now",
		description: "202 once the gate allowed it and the attempt is durable; 403 with the gate's reason otherwise.",
	}, s.placeCall)
	register(s, operation{
		method: http.MethodGet, path: "/v1/calls/{id}", id: "getCall", tag: "Calls", scope: ScopeRead,
		summary: "One call",
	}, s.getCall)
	register(s, operation{
		method: http.MethodDelete, path: "/v1/calls/{id}", id: "hangUp", tag: "Calls", scope: ScopeWrite,
		status: http.StatusAccepted, summary: "Hang up a live call", description: "409 for a call that has ended.",
	}, s.hangUp)
}

func (s *Server) listCalls(ctx context.Context, in *callListInput) (*listOutput[Call], error) {
	out := &listOutput[Call]{Body: list[Call]{Items: []Call{}}}
	if s.cfg.Bridge == nil {
		return out, nil
	}
	if in.Cursor == "" && in.State != "ended" {
		for _, l := range s.cfg.Bridge.Live() {
			out.Body.Items = append(out.Body.Items, showLive(l))
		}
	}
	if in.State == "live" {
		return out, nil
	}
	cdrs, next, err := s.cfg.Bridge.CDRs(ctx, in.Limit, in.Cursor)
	if err != nil {
		return nil, err
	}
	for _, c := range cdrs {
		out.Body.Items = append(out.Body.Items, showCDR(c))
	}
	out.Body.NextCursor = next
	return out, nil
}

func (s *Server) placeCall(ctx context.Context, in *callInput) (*placedOutput, error) {
	if s.cfg.Bridge == nil {
		return nil, noCalling()
	}
	pair, err := parsePair("body", in.Body.Business, in.Body.User)
	if err != nil {
		return nil, err
	}
	// The call outlives the request that asked for it.
	id, err := s.cfg.Bridge.Originate(context.WithoutCancel(ctx), sipbridge.Originate{
		CallID: s.cfg.NewID(), Business: pair.Business, User: string(pair.User),
		Agent: in.Body.Agent, Purpose: in.Body.Purpose, Order: in.Body.Order,
	}, nil)
	if err != nil {
		return nil, gateSaid(err)
	}
	return &placedOutput{Location: "/v1/calls/" + url.PathEscape(id), Body: PlacedCall{ID: id}}, nil
}

// gateSaid turns the gate's refusal into 403, with the whole decision where it is
// the ledger's, and leaves other errors alone.
func gateSaid(err error) error {
	if decided, ok := errors.AsType[*permissions.Refusal](err); ok {
		return refused(decided.Decision)
	}
	var r sipbridge.Refusal
	if !errors.As(err, &r) {
		return err
	}
	p := problem(http.StatusForbidden, r.Reason(), hint(permissions.Reason(r.Reason())))
	p.RetryAfter = utc(r.RetryAfter())
	return p
}

func (s *Server) getCall(ctx context.Context, in *idInput) (*callOutput, error) {
	c, err := s.findCall(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	return &callOutput{Body: c}, nil
}

func (s *Server) findCall(ctx context.Context, id string) (Call, error) {
	if s.cfg.Bridge == nil {
		return Call{}, noSuch("call")
	}
	for _, l := range s.cfg.Bridge.Live() {
		if l.ID == id {
			return showLive(l), nil
		}
	}
	c, ok, err := s.cfg.Bridge.CDR(ctx, id)
	if err != nil {
		return Call{}, err
	}
	if !ok {
		return Call{}, noSuch("call")
	}
	return showCDR(c), nil
}

func (s *Server) hangUp(ctx context.Context, in *idInput) (*callOutput, error) {
	c, err := s.findCall(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	if c.State == stateEnded || !s.cfg.Bridge.HangUp(in.ID, "api") {
		return nil, problem(http.StatusConflict, reasonConflict, "The call has ended.")
	}
	return &callOutput{Body: c}, nil
}

func showLive(l sipbridge.LiveCall) Call {
	return Call{
		ID: l.ID, State: l.State, Account: l.Account, Direction: l.Direction, Business: l.Business, User: l.User,
		CallbackID: l.CallbackID, StartedAt: utc(l.StartedAt), AnsweredAt: utc(l.AnsweredAt),
		WhatsApp: l.WhatsApp, PBX: l.PBX,
	}
}

func showCDR(c sipbridge.CDR) Call {
	out := Call{
		ID: c.ID, State: stateEnded, Account: c.Account, Direction: c.Direction, Business: c.Business, User: c.User,
		Agent: c.Agent, CallbackID: c.CallbackID, Purpose: c.Purpose, Wacid: c.Wacid, SIPCallID: c.SIPCallID,
		StartedAt: utc(c.StartedAt), UserRingingAt: utc(c.UserRingingAt), AnsweredAt: utc(c.UserAnswered),
		AgentAnsweredAt: utc(c.AgentAnswered), MediaUpAt: utc(c.MediaUpAt), BridgedAt: utc(c.BridgedAt), EndedAt: utc(c.EndedAt),
		Disposition: c.Disposition, Outcome: c.Outcome, EndedBy: c.EndedBy, Cause: c.Cause,
		SIPStatus: c.SIPStatus, ProviderCodes: c.ProviderCodes, ProviderDuration: c.MetaDuration,
		Recordings: c.Recordings, RecordingFailed: c.RecordingFailed,
		WhatsApp: c.WhatsApp, PBX: c.PBX, AuditIndex: &c.AuditIndex,
	}
	if c.DecisionIndex >= 0 {
		out.DecisionIndex = &c.DecisionIndex
	}
	return out
}
