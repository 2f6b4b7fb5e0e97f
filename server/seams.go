package server

import (
	"context"
	"io"

	"github.com/callctl/callctl/compliance"
	"github.com/callctl/callctl/compliance/audit"
	"github.com/callctl/callctl/geo"
	"github.com/callctl/callctl/permissions"
	"github.com/callctl/callctl/permissions/callback"
	"github.com/callctl/callctl/permissions/readback"
	"github.com/callctl/callctl/sipbridge"
)

// Ledger is what the server asks of the permission ledger; *permissions.Ledger
// is one.
type Ledger interface {
	RecordTx(ctx context.Context, tx *audit.Tx, events ...permissions.Event) (int, error)
	Check(ctx context.Context, q permissions.Query) (permissions.Decision, error)
	AuthorizeRequest(ctx context.Context, a permissions.Ask) (permissions.Decision, error)
	LinkRequest(ctx context.Context, askID, providerMessageID string) error
	Permission(ctx context.Context, p permissions.Pair) (permissions.Permission, error)
	Permissions(ctx context.Context, business geo.E164, p permissions.Page) (list []permissions.Permission, next string, err error)
	Events(ctx context.Context, p permissions.Pair) ([]permissions.Recorded, error)
	Subject(ctx context.Context, u permissions.User) (id string, known bool, err error)
	EnsureSubject(ctx context.Context, tx *audit.Tx, u permissions.User) (string, error)
	DoNotCall(ctx context.Context, u permissions.User) (permissions.DoNotCallEntry, bool, error)
	DoNotCallList(ctx context.Context, p permissions.Page) (list []permissions.DoNotCallEntry, next string, err error)
	Apply(ctx context.Context, c permissions.Change) (*permissions.Approval, error)
	Approve(ctx context.Context, id, actor string) (permissions.Approval, error)
	Reject(ctx context.Context, id, actor, reason string) (permissions.Approval, error)
	Approval(ctx context.Context, id string) (permissions.Approval, error)
	Approvals(ctx context.Context, pendingOnly bool, p permissions.Page) (list []permissions.Approval, next string, err error)
	RecordNotices(ctx context.Context, tx *audit.Tx, notices ...permissions.Notice) (int, error)
	Number(ctx context.Context, business geo.E164) (permissions.NumberState, error)
	Notices(ctx context.Context, business geo.E164, p permissions.Page) (list []permissions.Notice, next string, err error)
}

// Reader is what the server asks of the reader of permissions at the providers;
// *readback.Reader is one.
type Reader interface {
	Ask(ctx context.Context, p permissions.Pair) (permissions.ProviderState, error)
	Refused(p permissions.Pair)
	Reconcile(ctx context.Context, business geo.E164) (asked, failed int, err error)
}

// Importer is what the server asks of the importer of do-not-call lists;
// *compliance.Importer is one.
type Importer interface {
	Import(ctx context.Context, r io.Reader, o compliance.ImportOptions) (compliance.ImportReport, error)
	Get(ctx context.Context, id string) (compliance.ImportReport, error)
}

// Callbacks is what the server asks of the scheduler; *callback.Scheduler is one.
type Callbacks interface {
	Add(ctx context.Context, c callback.Callback) (callback.Callback, error)
	Get(ctx context.Context, id string) (callback.Callback, error)
	List(ctx context.Context, p permissions.Page) (list []callback.Callback, next string, err error)
	Cancel(ctx context.Context, id, actor string) (callback.Callback, error)
}

// Bridge is what the server asks of the call bridge; *sipbridge.Bridge is one.
type Bridge interface {
	Originate(ctx context.Context, o sipbridge.Originate, done func(sipbridge.Result)) (string, error)
	Deliver(ctx context.Context, e sipbridge.Event)
	HangUp(id, reason string) bool
	Live() []sipbridge.LiveCall
	CDRs(ctx context.Context, limit int, cursor string) (list []sipbridge.CDR, next string, err error)
	CDR(ctx context.Context, id string) (sipbridge.CDR, bool, error)
}

// Exporter is what the server asks of the maker of evidence packs;
// *compliance.Exporter is one.
type Exporter interface {
	Export(ctx context.Context, u permissions.User, actor string) (compliance.Export, error)
	Get(ctx context.Context, id string) (compliance.Export, error)
	Content(ctx context.Context, id string) (io.ReadCloser, error)
}

var (
	_ Ledger    = (*permissions.Ledger)(nil)
	_ Callbacks = (*callback.Scheduler)(nil)
	_ Bridge    = (*sipbridge.Bridge)(nil)
	_ Exporter  = (*compliance.Exporter)(nil)
	_ Reader    = (*readback.Reader)(nil)
	_ Importer  = (*compliance.Importer)(nil)
)
