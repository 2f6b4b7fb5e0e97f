package server

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/callctl/callctl/compliance"
	"github.com/callctl/callctl/permissions"
)

// packTimeout is how long a client may take to fetch a pack.
const packTimeout = 10 * time.Minute

// Export is an evidence pack.
type Export struct {
	ID        string                 `json:"id"`
	User      permissions.User       `json:"user"`
	State     compliance.ExportState `json:"state" enum:"running,done,failed"`
	Error     string                 `json:"error,omitempty"`
	CreatedAt time.Time              `json:"createdAt"`
	DoneAt    time.Time              `json:"doneAt,omitzero"`
	CreatedBy string                 `json:"createdBy,omitempty" doc:"Token name"`
	Size      int64                  `json:"size,omitempty" doc:"Bytes"`
	SHA256    string                 `json:"sha256,omitempty"`
	Content   string                 `json:"content,omitempty" doc:"Where the pack is, once done"`
}

type exportInput struct {
	Body struct {
		User string `json:"user" doc:"E.164 number or BSUID" example:"+6591234567"`
	}
}

type exportOutput struct {
	Location string `header:"Location"`
	Body     Export
}

func (s *Server) exportRoutes() {
	register(s, operation{
		method: http.MethodPost, path: "/v1/exports", id: "createExport", tag: "Evidence", scope: ScopeAudit,
		status: http.StatusCreated, rerun: true, summary: "Make the evidence pack of a user",
		description: "The export is itself an entry of the audit log: who asked, and when.",
	}, s.createExport)
	register(s, operation{
		method: http.MethodGet, path: "/v1/exports/{id}", id: "getExport", tag: "Evidence", scope: ScopeAudit,
		summary: "One export",
	}, s.getExport)
	register(s, operation{
		method: http.MethodGet, path: "/v1/exports/{id}/content", id: "getExportContent", tag: "Evidence", scope: ScopeAudit,
		summary: "The evidence pack, a zip that callctl verify checks offline", produces: "application/zip",
	}, s.exportContent)
}

func (s *Server) createExport(ctx context.Context, in *exportInput) (*exportOutput, error) {
	if s.cfg.Exporter == nil {
		return nil, noSuch("export")
	}
	u, err := s.knownUser(ctx, "body.user", in.Body.User)
	if err != nil {
		return nil, err
	}
	e, err := s.cfg.Exporter.Export(ctx, u, caller(ctx).name)
	if err != nil {
		return nil, err
	}
	return &exportOutput{Location: "/v1/exports/" + url.PathEscape(e.ID), Body: showExport(e)}, nil
}

func (s *Server) getExport(ctx context.Context, in *idInput) (*exportOutput, error) {
	if s.cfg.Exporter == nil {
		return nil, noSuch("export")
	}
	e, err := s.cfg.Exporter.Get(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	return &exportOutput{Body: showExport(e)}, nil
}

func (s *Server) exportContent(ctx context.Context, in *idInput) (*huma.StreamResponse, error) {
	if s.cfg.Exporter == nil {
		return nil, noSuch("export")
	}
	e, err := s.cfg.Exporter.Get(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	if e.State != compliance.ExportDone {
		return nil, problem(http.StatusConflict, reasonConflict, "The export is not done.")
	}
	content, err := s.cfg.Exporter.Content(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	return &huma.StreamResponse{Body: func(ctx huma.Context) { //nolint:contextcheck // the request's own context comes with ctx
		defer func() { _ = content.Close() }()
		ctx.SetHeader("Content-Type", "application/zip")
		ctx.SetHeader("Content-Disposition", `attachment; filename="evidence-`+strconv.FormatInt(e.CreatedAt.UTC().Unix(), 10)+`.zip"`)
		if e.Size > 0 {
			ctx.SetHeader("Content-Length", strconv.FormatInt(e.Size, 10))
		}
		_, w := unwrap(ctx)
		_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(packTimeout))
		ctx.SetStatus(http.StatusOK)
		if _, err := io.Copy(ctx.BodyWriter(), content); err != nil {
			s.cfg.Logger.WarnContext(ctx.Context(), "export not sent whole", "error", mask(err.Error()))
		}
	}}, nil
}

func showExport(e compliance.Export) Export {
	out := Export{
		ID: e.ID, User: e.User, State: e.State, Error: e.Error, CreatedAt: utc(e.CreatedAt), DoneAt: utc(e.DoneAt),
		CreatedBy: e.Actor, Size: e.Size, SHA256: e.SHA256,
	}
	if e.State == compliance.ExportDone {
		out.Content = "/v1/exports/" + url.PathEscape(e.ID) + "/content"
	}
	return out
}
