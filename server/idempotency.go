package server

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/callctl/callctl/compliance/audit"
)

const (
	maxKey  = 255
	keepKey = 30 * 24 * time.Hour
)

func unwrap(ctx huma.Context) (*http.Request, http.ResponseWriter) { return humago.Unwrap(ctx) }

// idempotent carries out a POST with an Idempotency-Key once: the same key of the
// same token with the same request is answered with the first answer, for 30
// days; with another request 422; while the first is worked on 409. An answer of
// 503 is not kept, because nothing was done. After a crash in the middle, what
// may be done twice without harm is done again, and the rest is answered 409
// outcome_unknown: it may have happened.
func (s *Server) idempotent(ctx huma.Context, next func(huma.Context)) {
	key := ctx.Header("Idempotency-Key")
	if ctx.Method() != http.MethodPost || key == "" {
		next(ctx)
		return
	}
	if len(key) > maxKey {
		s.refuse(ctx, problem(http.StatusBadRequest, reasonInvalid, "The Idempotency-Key is longer than 255 bytes."))
		return
	}
	r, w := unwrap(ctx)
	body, err := readRaw(w, r, ctx.Operation().MaxBodyBytes)
	if err != nil {
		s.refuse(ctx, problem(http.StatusRequestEntityTooLarge, reasonTooLarge, "The body is too large."))
		return
	}
	row := keyRow{token: caller(ctx.Context()).name, key: key, request: requestHash(r, body)}
	rerun, _ := ctx.Operation().Metadata["rerun"].(bool)
	stored, err := s.beginKey(ctx.Context(), row, rerun)
	if err != nil {
		s.refuse(ctx, s.asProblem(ctx.Context(), err))
		return
	}
	if stored != nil {
		stored.writeTo(w)
		return
	}
	r = r.WithContext(ctx.Context())
	r.Body = io.NopCloser(bytes.NewReader(body))
	s.runKey(row, ctx.Operation(), r, w, next)
}

// runKey carries the request out and keeps its answer before it is sent.
func (s *Server) runKey(row keyRow, op *huma.Operation, r *http.Request, w http.ResponseWriter, next func(huma.Context)) {
	answer := &answer{header: http.Header{}}
	done := false
	ctx := context.WithoutCancel(r.Context())
	defer func() {
		if !done { // the handler panicked: it began, and will not be done again
			p := problem(http.StatusInternalServerError, reasonInternal, "The request failed.")
			failed := keptAnswer{status: p.Status, contentType: p.ContentType("")}
			failed.body, _ = json.Marshal(p) //nolint:errchkjson // strings and a time
			_ = s.finishKey(ctx, row, failed)
		}
	}()
	next(humago.NewContext(op, r, answer))
	done = true
	kept := answer.kept()
	if err := s.finishKey(ctx, row, kept); err != nil {
		s.cfg.Logger.ErrorContext(ctx, "answer to an idempotency key not kept", "error", mask(err.Error()))
	}
	maps.Copy(w.Header(), answer.header)
	w.WriteHeader(kept.status)
	_, _ = w.Write(kept.body)
}

// keyRow names a key and what was asked with it.
type keyRow struct{ token, key, request string }

func requestHash(r *http.Request, body []byte) string {
	h := sha256.New()
	_, _ = fmt.Fprintf(h, "%s %s?%s\n", r.Method, r.URL.EscapedPath(), r.URL.RawQuery)
	_, _ = h.Write(body)
	return hex.EncodeToString(h.Sum(nil))
}

// beginKey claims the key, or returns the answer that it already has.
func (s *Server) beginKey(ctx context.Context, k keyRow, rerun bool) (stored *keptAnswer, err error) {
	err = s.cfg.Log.Update(ctx, func(ctx context.Context, tx *audit.Tx) error {
		var one int
		err := tx.QueryRowContext(ctx, sqlKeyInsert, k.token, k.key, k.request, s.run, tx.Now().UnixMilli()).Scan(&one)
		if err == nil {
			return nil
		}
		if !errors.Is(err, sql.ErrNoRows) {
			return fmt.Errorf("claim idempotency key: %w", err)
		}
		stored, err = s.claimed(ctx, tx, k, rerun)
		return err
	})
	return stored, err
}

// claimed is what a key that is not new means.
func (s *Server) claimed(ctx context.Context, tx *audit.Tx, k keyRow, rerun bool) (*keptAnswer, error) {
	var request, run, headers string
	var a keptAnswer
	if err := tx.QueryRowContext(ctx, sqlKeyGet, k.token, k.key).Scan(&request, &run, &a.status, &headers, &a.body); err != nil {
		return nil, fmt.Errorf("read idempotency key: %w", err)
	}
	switch {
	case request != k.request:
		return nil, problem(http.StatusUnprocessableEntity, reasonKeyReused, "The Idempotency-Key was used with another request.")
	case a.status != 0:
		return &a, wrap("stored answer", a.setHeaders(headers))
	case run == s.run:
		return nil, problem(http.StatusConflict, reasonInFlight, "The request with this Idempotency-Key is still being worked on.")
	case !rerun:
		return nil, problem(http.StatusConflict, reasonOutcomeUnknown, "The daemon stopped in the middle of this request; look whether it happened before asking with a new key.")
	}
	_, err := tx.ExecContext(ctx, sqlKeyTake, s.run, k.token, k.key)
	return nil, wrap("take over idempotency key", err)
}

// finishKey keeps an answer. Its time begins here, however long the work took.
func (s *Server) finishKey(ctx context.Context, k keyRow, a keptAnswer) error {
	ctx, cancel := context.WithTimeout(ctx, commitTimeout)
	defer cancel()
	return s.cfg.Log.Update(ctx, func(ctx context.Context, tx *audit.Tx) error {
		if a.status == http.StatusServiceUnavailable {
			_, err := tx.ExecContext(ctx, sqlKeyRelease, k.token, k.key)
			return wrap("release idempotency key", err)
		}
		_, err := tx.ExecContext(ctx, sqlKeyFinish, a.status, a.headers(), a.body, k.token, k.key)
		return wrap("keep answer", err)
	})
}

// Purge forgets the answers of idempotency keys and the bodies of webhook
// deliveries that are older than 30 days. The wiring calls it now and then.
func (s *Server) Purge(ctx context.Context) error {
	before := s.cfg.Now().Add(-keepKey).UnixMilli()
	err := s.cfg.Log.Update(ctx, func(ctx context.Context, tx *audit.Tx) error {
		_, err := tx.ExecContext(ctx, sqlKeyPurge, before)
		return wrap("purge idempotency keys", err)
	})
	if err != nil {
		return err
	}
	accounts, err := s.keptAccounts(ctx)
	if err != nil {
		return err
	}
	for _, account := range accounts {
		if err := s.forgetBodies(ctx, account, before); err != nil {
			return err
		}
	}
	return nil
}

// forgetBodies removes the bodies of an account's deliveries that are older than
// before, one state in a transaction.
func (s *Server) forgetBodies(ctx context.Context, account string, before int64) error {
	for _, state := range []deliveryState{stateUnknown, stateMalformed, stateQuarantined} {
		err := s.cfg.Log.Update(ctx, func(ctx context.Context, tx *audit.Tx) error {
			_, err := tx.ExecContext(ctx, sqlDeliveryForget, account, string(state), before)
			return wrap("purge webhook bodies", err)
		})
		if err != nil {
			return err
		}
	}
	return nil
}
