package server

import (
	"context"
	"log/slog"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/callctl/callctl/geo"
)

// Reconciliation is a run that asks the provider about every standing permission
// of a number.
type Reconciliation struct {
	State     string    `json:"state" enum:"running,done,failed"`
	StartedAt time.Time `json:"startedAt"`
	EndedAt   time.Time `json:"endedAt,omitzero"`
	StartedBy string    `json:"startedBy" doc:"Token name"`
	Asked     int       `json:"asked" doc:"Pairs that the provider was asked about"`
	Failed    int       `json:"failed" doc:"Pairs of them that could not be read"`
	Error     string    `json:"error,omitempty" doc:"Why the run failed"`
}

// The states of a run.
const (
	runRunning = "running"
	runDone    = "done"
	runFailed  = "failed"
)

// reconciliations are the last runs by number. A daemon that stops forgets them:
// its successor starts runs of its own after an outage.
type reconciliations struct {
	mu   sync.Mutex
	runs map[geo.E164]Reconciliation
}

// of is the last run of a number, nil when there was none.
func (r *reconciliations) of(business geo.E164) *Reconciliation {
	r.mu.Lock()
	defer r.mu.Unlock()
	run, ok := r.runs[business]
	if !ok {
		return nil
	}
	return &run
}

// begin notes a new run unless one is running.
func (r *reconciliations) begin(business geo.E164, run Reconciliation) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.runs[business].State == runRunning {
		return false
	}
	if r.runs == nil {
		r.runs = map[geo.E164]Reconciliation{}
	}
	r.runs[business] = run
	return true
}

func (r *reconciliations) end(business geo.E164, run Reconciliation) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.runs[business] = run
}

type reconcileOutput struct {
	Location string `header:"Location"`
	Body     Reconciliation
}

func (s *Server) reconcile(ctx context.Context, in *BusinessParam) (*reconcileOutput, error) {
	business, err := parseBusiness("path.business", in.Business)
	if err != nil {
		return nil, err
	}
	account, ok := s.accountOf(business)
	switch {
	case !ok:
		return nil, noSuch("number")
	case s.cfg.Reader == nil:
		return nil, problem(http.StatusConflict, reasonConflict, "This daemon reads no permissions back.")
	}
	run := Reconciliation{State: runRunning, StartedAt: s.cfg.Now().UTC(), StartedBy: caller(ctx).name}
	if err := s.startRun(account, run); err != nil {
		return nil, err
	}
	return &reconcileOutput{Location: "/v1/numbers/" + url.QueryEscape(string(business)), Body: run}, nil
}

// startRun begins a run in a goroutine that Shutdown ends and waits for.
func (s *Server) startRun(a Account, run Reconciliation) error {
	s.streamMu.Lock()
	defer s.streamMu.Unlock()
	if s.closing.Err() != nil {
		return problem(http.StatusServiceUnavailable, reasonUnavailable, "The daemon is stopping.")
	}
	if !s.runs.begin(a.Business, run) {
		return problem(http.StatusConflict, reasonConflict, "A run for this number is on its way.")
	}
	s.open.Go(func() { s.runReconcile(a, run) })
	return nil
}

func (s *Server) runReconcile(a Account, run Reconciliation) {
	log := s.cfg.Logger.With(slog.String("account", a.Name))
	var err error
	defer func() {
		if recover() != nil { // a run that dies must not seem to run for ever
			log.ErrorContext(s.closing, "reconcile run panicked")
			run.State = runFailed
		}
		run.EndedAt = s.cfg.Now().UTC()
		s.runs.end(a.Business, run)
	}()
	run.Asked, run.Failed, err = s.cfg.Reader.Reconcile(s.closing, a.Business)
	run.State = runDone
	if err != nil {
		run.State, run.Error = runFailed, mask(err.Error())
		log.WarnContext(s.closing, "reconcile run failed", slog.String("error", run.Error))
	}
}
