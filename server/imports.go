package server

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/url"

	"github.com/callctl/callctl/compliance"
)

type importInput struct {
	DryRun  bool   `query:"dryRun" doc:"Check every line and apply none"`
	Reason  string `query:"reason" required:"true" minLength:"1" maxLength:"500" doc:"Why, for the lines that give no reason of their own"`
	RawBody []byte `contentType:"text/csv"`
}

type importParam struct {
	ID string `path:"id" maxLength:"128"`
}

type importOutput struct {
	Status   int
	Location string `header:"Location"`
	Body     compliance.ImportReport
}

func (s *Server) importRoutes() {
	register(s, operation{
		method: http.MethodPost, path: "/v1/dnc/imports", id: "importDoNotCall", tag: "Do not call", scope: ScopeWrite,
		also: http.StatusAccepted, maxBody: compliance.MaxImportSize, alone: true, rerun: true, summary: "Take in a do-not-call list",
		description: "CSV with a header: user (E.164 or BSUID), and where there are reason, since and scope. " +
			"Every line is checked before the first is applied: with one that cannot be read nothing is applied and the answer is 422, with every fault by its line. " +
			"An import only adds. 202 while it is applied, 200 once it is, or for a dry run. At most 64 MiB and a million rows, one list at a time.",
	}, s.importDoNotCall)
	register(s, operation{
		method: http.MethodGet, path: "/v1/dnc/imports/{id}", id: "getDoNotCallImport", tag: "Do not call", scope: ScopeRead,
		summary: "What became of an import",
	}, s.getImport)
}

func (s *Server) importDoNotCall(ctx context.Context, in *importInput) (*importOutput, error) {
	if s.cfg.Importer == nil {
		return nil, noImporter()
	}
	report, err := s.cfg.Importer.Import(ctx, bytes.NewReader(in.RawBody), compliance.ImportOptions{
		Actor: caller(ctx).name, Reason: in.Reason, DryRun: in.DryRun,
	})
	if err != nil {
		return nil, err
	}
	if report.State == compliance.ImportRefused {
		return nil, refusedImport(report)
	}
	return showImport(report), nil
}

func (s *Server) getImport(ctx context.Context, in *importParam) (*importOutput, error) {
	if s.cfg.Importer == nil {
		return nil, noImporter()
	}
	report, err := s.cfg.Importer.Get(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	out := showImport(report)
	out.Status, out.Location = http.StatusOK, ""
	return out, nil
}

func noImporter() *Problem {
	return problem(http.StatusConflict, reasonConflict, "This daemon imports no lists.")
}

func showImport(report compliance.ImportReport) *importOutput {
	report.Errors, report.At = orEmpty(report.Errors), utc(report.At)
	out := &importOutput{Status: http.StatusOK, Body: report}
	if report.State == compliance.ImportApplying {
		out.Status = http.StatusAccepted
	}
	if report.ID != "" {
		out.Location = "/v1/dnc/imports/" + url.PathEscape(report.ID)
	}
	return out
}

// refusedImport is 422 with the whole report; nothing was applied.
func refusedImport(report compliance.ImportReport) *Problem {
	report.Errors, report.At = orEmpty(report.Errors), utc(report.At)
	p := problem(http.StatusUnprocessableEntity, reasonImport,
		fmt.Sprintf("%d of the list's lines cannot be read, so nothing was applied.", report.Faults))
	p.Import = &report
	for _, e := range report.Errors {
		location := fmt.Sprintf("line %d", e.Line)
		if e.Column != "" {
			location += ", " + e.Column
		}
		p.Errors = append(p.Errors, FieldError{Location: location, Reason: e.Reason, Message: e.Hint})
	}
	return p
}
