package server

import (
	"context"
	"net/http"

	"github.com/callctl/callctl/permissions"
)

type approvalListInput struct {
	PageParams
	All bool `query:"all" doc:"Also those that are decided; only pending ones when absent"`
}

// ApprovalParam is the parameter that names an approval.
type ApprovalParam struct {
	ID string `path:"id" maxLength:"128" doc:"Id of the approval"`
}

type rejectInput struct {
	ApprovalParam
	Body struct {
		Reason string `json:"reason" minLength:"1" maxLength:"500" doc:"Why, for the audit"`
	}
}

type approvalOutput struct{ Body permissions.Approval }

func (s *Server) approvalRoutes() {
	register(s, operation{
		method: http.MethodGet, path: "/v1/approvals", id: "listApprovals", tag: "Approvals", scope: ScopeRead,
		summary: "Changes that widen permission and wait for a second person, newest first",
	}, s.listApprovals)
	register(s, operation{
		method: http.MethodGet, path: "/v1/approvals/{id}", id: "getApproval", tag: "Approvals", scope: ScopeRead,
		summary: "One of them",
	}, s.getApproval)
	register(s, operation{
		method: http.MethodPost, path: "/v1/approvals/{id}/approve", id: "approve", tag: "Approvals", scope: ScopeWrite,
		summary: "Let the change take effect", description: "By another token than the one that proposed it; 403 second_person_needed otherwise.",
	}, s.approve)
	register(s, operation{
		method: http.MethodPost, path: "/v1/approvals/{id}/reject", id: "reject", tag: "Approvals", scope: ScopeWrite,
		summary: "End the proposal", description: "Who proposed it may withdraw it so.",
	}, s.reject)
}

func (s *Server) listApprovals(ctx context.Context, in *approvalListInput) (*listOutput[permissions.Approval], error) {
	found, next, err := s.cfg.Ledger.Approvals(ctx, !in.All, in.page())
	if err != nil {
		return nil, err
	}
	return listed(found, next, showApproval), nil
}

func (s *Server) getApproval(ctx context.Context, in *ApprovalParam) (*approvalOutput, error) {
	a, err := s.cfg.Ledger.Approval(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	return &approvalOutput{Body: showApproval(a)}, nil
}

func (s *Server) approve(ctx context.Context, in *ApprovalParam) (*approvalOutput, error) {
	a, err := s.cfg.Ledger.Approve(ctx, in.ID, caller(ctx).name)
	if err != nil {
		return nil, err
	}
	return &approvalOutput{Body: showApproval(a)}, nil
}

func (s *Server) reject(ctx context.Context, in *rejectInput) (*approvalOutput, error) {
	a, err := s.cfg.Ledger.Reject(ctx, in.ID, caller(ctx).name, in.Body.Reason)
	if err != nil {
		return nil, err
	}
	return &approvalOutput{Body: showApproval(a)}, nil
}

// showApproval writes its times in UTC.
func showApproval(a permissions.Approval) permissions.Approval {
	a.Expires, a.ProposedAt, a.LapsesAt, a.DecidedAt = utc(a.Expires), utc(a.ProposedAt), utc(a.LapsesAt), utc(a.DecidedAt)
	return a
}
