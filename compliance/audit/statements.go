package audit

import (
	"context"
	"database/sql"
	"fmt"
)

// statements are prepared once, because every state change runs them.
type statements struct {
	subject        *sql.Stmt
	putSubject     *sql.Stmt
	advanceSubject *sql.Stmt
	insertEntry    *sql.Stmt
	insertHash     *sql.Stmt
}

func (s *statements) prepare(ctx context.Context, db *sql.DB) error {
	for _, p := range []struct {
		into  **sql.Stmt
		query string
	}{
		{&s.subject, sqlSubject},
		{&s.putSubject, sqlPutSubject},
		{&s.advanceSubject, sqlAdvanceSubject},
		{&s.insertEntry, sqlInsertEntry},
		{&s.insertHash, sqlInsertHash},
	} {
		stmt, err := db.PrepareContext(ctx, p.query) //nolint:sqlclosecheck // they live as long as db, which closes them
		if err != nil {
			return fmt.Errorf("prepare: %w", err)
		}
		*p.into = stmt
	}
	return nil
}

// in binds the statements to a transaction.
func (s *statements) in(ctx context.Context, tx *sql.Tx) statements {
	return statements{
		subject:        tx.StmtContext(ctx, s.subject),
		putSubject:     tx.StmtContext(ctx, s.putSubject),
		advanceSubject: tx.StmtContext(ctx, s.advanceSubject),
		insertEntry:    tx.StmtContext(ctx, s.insertEntry),
		insertHash:     tx.StmtContext(ctx, s.insertHash),
	}
}
