package permissions

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/callctl/callctl/compliance/audit"
	"github.com/callctl/callctl/geo"
)

// address is one address of an event and what the ledger knows of it.
type address struct {
	user    User
	subject string // whose it is, "" when it is new
	token   string
	used    bool
	former  string // whose it was, "" for nobody's
	until   int64  // facts dated up to then, in Unix milliseconds, are the former's
}

// always is the end of a BSUID's time with its former subject: the platform gives
// it to nobody else.
const always = int64(1) << 62

func lookUp(ctx context.Context, q querier, u User) (address, error) {
	a := address{user: u}
	var used int
	err := q.QueryRowContext(ctx, selectAddress, string(u)).Scan(&a.subject, &a.token, &used, &a.former, &a.until)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return a, fmt.Errorf("read alias: %w", err)
	}
	a.used = used != 0
	return a, nil
}

// at is whose the address was at the time of an event, and whose it is now when
// that is somebody else.
func (a *address) at(r *recording) (subject, since string) {
	if a.former != "" && r.At.UnixMilli() <= a.until {
		return a.former, a.subject
	}
	return a.subject, ""
}

// plain is true for a BSUID of the user's own; a parent's is shared by portfolios.
func (u User) plain() bool {
	return bsuid.MatchString(string(u)) && !strings.Contains(string(u), ".ENT.")
}

// addressesOf are all addresses of the person that an event is about: not the one
// that they left.
func (r *recording) addressesOf() []User {
	out := []User{r.Pair.User}
	for _, a := range append(slices.Clone(r.Aliases), r.Current) {
		if a = a.canonical(); a != "" && !slices.Contains(out, a) {
			out = append(out, a)
		}
	}
	if r.Kind == IDChanged && r.Previous != "" && len(out) > 1 {
		out = slices.DeleteFunc(out, func(u User) bool { return u == r.Previous })
	}
	return out
}

// identify finds or creates the one subject of all addresses of an event and
// names the number and the BSUID that it came with. When they belonged to several
// subjects, these are merged.
func (l *Ledger) identify(ctx context.Context, tx *audit.Tx, r *recording) error {
	if r.Kind == IDChanged {
		r.Previous, r.Current = r.Previous.canonical(), r.Current.canonical()
	} else {
		r.Previous, r.Current = "", ""
	}
	users := r.addressesOf()
	r.Aliases = users[1:]
	if r.Kind == IDChanged {
		r.Aliases = slices.DeleteFunc(slices.Clone(users), func(u User) bool { return u == r.Pair.User || u == r.Current })
	}
	var known []address
	var subjects []string
	for _, u := range users {
		a, err := lookUp(ctx, tx, u)
		if err != nil {
			return err
		}
		subject, since := a.at(r)
		if since != "" {
			r.since = since
		}
		if subject != "" && !slices.Contains(subjects, subject) {
			subjects = append(subjects, subject)
		}
		known = append(known, a)
	}
	if r.Previous != "" {
		subject, err := l.leaving(ctx, tx, r, known)
		if err != nil {
			return err
		}
		if subject != "" && !slices.Contains(subjects, subject) {
			subjects = append(subjects, subject)
		}
	}
	if slices.Contains(subjects, r.since) {
		r.since = ""
	}
	if err := l.settleSubject(ctx, tx, r, subjects); err != nil {
		return err
	}
	return l.adopt(ctx, tx, r, known)
}

// leaving looks at the address that a user left: whose it was, and whether the
// user's phone number became another one with it. The platform changes the BSUID
// when the number changes, so a number that the user was not known by is a new one.
func (l *Ledger) leaving(ctx context.Context, tx *audit.Tx, r *recording, known []address) (string, error) {
	previous, err := lookUp(ctx, tx, r.Previous)
	if err != nil {
		return "", err
	}
	r.From = previous.token
	r.left = []User{r.Previous}
	subject, _ := previous.at(r)
	i := slices.IndexFunc(known, func(a address) bool { _, number := a.user.Number(); return number })
	if i < 0 {
		return subject, nil
	}
	if _, number := r.Previous.Number(); number {
		r.NewNumber = previous.token == "" || previous.token != known[i].token
		return subject, nil
	}
	if subject == "" {
		return "", nil
	}
	numbers, err := numbersOf(ctx, tx, subject)
	if err != nil || len(numbers) == 0 || slices.ContainsFunc(numbers, func(a address) bool { return a.token == known[i].token }) {
		return subject, err
	}
	r.NewNumber, r.From = true, numbers[0].token
	for _, a := range numbers {
		r.left = append(r.left, a.user)
	}
	return subject, nil
}

// numbersOf are the phone numbers of a subject.
func numbersOf(ctx context.Context, q querier, subject string) ([]address, error) {
	all, err := collect(ctx, q, func(rows *sql.Rows) (address, error) {
		a := address{subject: subject}
		err := rows.Scan(&a.user, &a.token)
		return a, err
	}, selectTokens, subject)
	return slices.DeleteFunc(all, func(a address) bool { _, number := a.user.Number(); return !number }), err
}

// settleSubject makes one subject of those that the addresses belong to.
func (l *Ledger) settleSubject(ctx context.Context, tx *audit.Tx, r *recording, subjects []string) (err error) {
	switch len(subjects) {
	case 0:
		r.subject, err = l.newSubject(ctx, tx)
		r.fresh = true
	case 1:
		r.subject = subjects[0]
	default:
		r.merged = true
		r.subject, err = l.merge(ctx, tx, subjects)
	}
	return err
}

// adopt gives the subject those addresses that are nobody's yet, and names in the
// event the number and the BSUID that it came with.
func (l *Ledger) adopt(ctx context.Context, tx *audit.Tx, r *recording, known []address) error {
	if r.Previous != "" && r.From == "" {
		r.From = l.orderedID(tx)
		if err := l.addAlias(ctx, tx, r.Previous, r.subject, r.From); err != nil {
			return err
		}
	}
	for i := range known {
		a := &known[i]
		if err := l.claim(ctx, tx, a, r.subject); err != nil {
			return err
		}
		if _, number := a.user.Number(); number && r.Line == "" {
			r.Line = a.token
		}
		if a.user.plain() && r.Holder == "" {
			r.Holder = a.token
		}
		if a.user == r.Current {
			r.To = a.token
		}
	}
	if r.NewNumber {
		r.To = r.Line
	}
	return nil
}

// claim notes that an address was used, and by whom when it is new.
func (l *Ledger) claim(ctx context.Context, tx *audit.Tx, a *address, subject string) error {
	switch {
	case a.subject == "":
		a.token = l.orderedID(tx)
		return l.addAlias(ctx, tx, a.user, subject, a.token)
	case !a.used:
		if _, err := tx.ExecContext(ctx, useAlias, string(a.user)); err != nil {
			return fmt.Errorf("store alias: %w", err)
		}
	}
	return nil
}

// addAlias stores an address of a subject. The other forms of a number lead to
// the same subject, without being addresses that anybody used.
func (l *Ledger) addAlias(ctx context.Context, tx *audit.Tx, u User, subject, token string) error {
	at := tx.Now().UnixMilli()
	if _, err := tx.ExecContext(ctx, insertAlias, string(u), subject, at, token, 1); err != nil {
		return fmt.Errorf("store alias: %w", err)
	}
	n, ok := u.Number()
	if !ok {
		return nil
	}
	for _, form := range geo.Forms(n) {
		if form == n {
			continue
		}
		if _, err := tx.ExecContext(ctx, insertAlias, string(form), subject, at, token, 0); err != nil {
			return fmt.Errorf("store alias: %w", err)
		}
	}
	return nil
}

// sight notes which number a message showed with which BSUID. It is news when the
// pair has not been seen so, or not with one person only.
func (l *Ledger) sight(ctx context.Context, tx *audit.Tx, r *recording) (news bool, err error) {
	if r.Line == "" || r.Holder == "" || r.Pair.Business == "" || r.Kind != Messaged && r.Kind != Willing {
		return false, nil
	}
	seen, err := sightingsOf(ctx, tx, r.subject, r.Pair.Business)
	if err != nil {
		return false, err
	}
	if len(seen) == 1 && seen[0].line == r.Line && seen[0].holder == r.Holder {
		if !r.At.Before(seen[0].first) && !r.At.After(seen[0].last) {
			return false, nil
		}
	} else {
		news = true
	}
	_, err = tx.ExecContext(ctx, upsertSighting, r.subject, string(r.Pair.Business), r.Line, r.Holder, r.At.UnixMilli(), r.At.UnixMilli())
	if err != nil {
		return false, fmt.Errorf("store sighting: %w", err)
	}
	return news, nil
}

// receive notes what became of a message.
func (l *Ledger) receive(ctx context.Context, tx *audit.Tx, r *recording) error {
	if !r.receipt() {
		return nil
	}
	at, none := r.At.UnixMilli(), int64(0)
	var args []any
	switch r.Delivery {
	case deliveryArrived, deliveryRead:
		args = []any{r.subject, string(r.Pair.Business), at, r.ID, none, "", none}
	case deliveryFailed:
		args = []any{r.subject, string(r.Pair.Business), none, "", at, r.ID, r.Code}
	default:
		return nil // that it was sent tells nothing
	}
	if _, err := tx.ExecContext(ctx, upsertReceipt, args...); err != nil {
		return fmt.Errorf("store receipt: %w", err)
	}
	return nil
}
