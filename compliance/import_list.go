package compliance

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/callctl/callctl/geo"
	"github.com/callctl/callctl/permissions"
)

// The bounds of a list.
const (
	// MaxImportRows is how many rows a list may have.
	MaxImportRows = 1_000_000
	// MaxImportSize is how long it may be, in bytes.
	MaxImportSize = 64 << 20

	maxRecord = 16 << 10 // bytes of one row
	maxCell   = 1 << 10  // bytes of one cell
)

// bounds are how many rows and bytes a list may have.
type bounds struct{ rows, size int }

// The columns of a list.
const (
	columnUser   = "user"
	columnReason = "reason"
	columnSince  = "since"
	columnScope  = "scope"
)

var (
	errRecordLong = errors.New("compliance: a row is too long")
	errFileLong   = errors.New("compliance: the file is too long")
)

// row is a line of a list that can be applied.
type row struct {
	Line     int                  `json:"l"`
	User     permissions.User     `json:"u"`
	Channels permissions.Channels `json:"c"`
	Since    time.Time            `json:"s,omitzero"`
	Reason   string               `json:"r,omitempty"`
}

// list reads a do-not-call list row by row.
type list struct {
	src     *bounded
	csv     *csv.Reader
	columns map[string]int
	width   int
	line    int // of the last row
	most    int // rows
	now     time.Time
	report  *ImportReport
	reason  bool // lines need none of their own
}

// bounded lets through as many bytes as a row may have, and as a file may have.
type bounded struct {
	r      io.Reader
	record int // left for this row
	file   int // left for the file
}

func (b *bounded) Read(p []byte) (int, error) {
	switch {
	case b.record <= 0:
		return 0, errRecordLong
	case b.file <= 0:
		// The end of the file may be right here.
		if n, err := io.ReadFull(b.r, make([]byte, 1)); n == 0 && (errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)) {
			return 0, io.EOF
		}
		return 0, errFileLong
	}
	n, err := b.r.Read(p[:min(len(p), b.record, b.file)])
	b.record -= n
	b.file -= n
	return n, err
}

// fault notes what is wrong with a line. It holds nothing of the line.
func (l *list) fault(line int, column, reason, hint string) {
	const kept = 100
	if l.report.Faults++; len(l.report.Errors) < kept {
		l.report.Errors = append(l.report.Errors, ImportError{Line: line, Column: column, Reason: reason, Hint: hint})
	}
}

// openList reads the header. ok is false, with the fault in the report, when the
// rest cannot be understood.
func openList(r io.Reader, b bounds, now time.Time, reason bool, report *ImportReport) (l *list, ok bool, err error) {
	l = &list{src: &bounded{r: r, record: maxRecord, file: b.size}, most: b.rows, now: now, report: report, reason: reason}
	buffered := bufio.NewReaderSize(l.src, maxRecord/4)
	start, err := buffered.Peek(maxRecord / 8)
	if err != nil && !errors.Is(err, io.EOF) {
		return l, false, fmt.Errorf("read list: %w", err)
	}
	switch {
	case bytes.HasPrefix(start, []byte("\xfe\xff")), bytes.HasPrefix(start, []byte("\xff\xfe")):
		l.fault(1, "", "encoding", "the file is UTF-16; save it as CSV UTF-8")
		return l, false, nil
	case bytes.HasPrefix(start, []byte("PK\x03\x04")), bytes.HasPrefix(start, []byte("\xd0\xcf\x11\xe0")):
		l.fault(1, "", "not_csv", "the file is a workbook; save it as CSV UTF-8")
		return l, false, nil
	case bytes.HasPrefix(start, []byte("\ufeff")):
		start = start[len("\ufeff"):]
		if _, err := buffered.Discard(len("\ufeff")); err != nil {
			return l, false, fmt.Errorf("read list: %w", err)
		}
	}
	l.csv = csv.NewReader(buffered)
	l.csv.FieldsPerRecord, l.csv.ReuseRecord, l.csv.Comma = -1, true, delimiter(start)
	header, err := l.read()
	switch {
	case errors.Is(err, io.EOF):
		l.fault(1, "", "no_header", "the first line names the columns: user, and where there are reason, since and scope")
		return l, false, nil
	case err != nil:
		_, err = l.readFault(err)
		return l, false, err
	}
	return l, l.header(header), nil
}

// delimiter is what separates the cells of the header: a comma, or the semicolon
// or tab of programs that write a comma in numbers.
func delimiter(start []byte) rune {
	first, _, _ := bytes.Cut(bytes.TrimLeft(start, "\r\n"), []byte("\n"))
	switch {
	case bytes.ContainsRune(first, ','):
	case bytes.ContainsRune(first, ';'):
		return ';'
	case bytes.ContainsRune(first, '\t'):
		return '\t'
	}
	return ','
}

// header finds the columns by their names.
func (l *list) header(cells []string) bool {
	line, faults := l.line, l.report.Faults
	known := []string{columnUser, columnReason, columnSince, columnScope}
	l.columns, l.width = map[string]int{}, len(cells)
	for i, cell := range cells {
		name := strings.ToLower(strings.TrimSpace(cell))
		_, twice := l.columns[name]
		switch {
		case !slices.Contains(known, name):
			// The name is not repeated: without a header it is a number.
			l.fault(line, strconv.Itoa(i+1), "column_unknown", "the columns are user, reason, since and scope; leave others out")
		case twice:
			l.fault(line, name, "column_twice", "each column once")
		default:
			l.columns[name] = i
		}
	}
	if _, ok := l.columns[columnUser]; !ok {
		l.fault(line, columnUser, "column_missing", "the first line names the columns, and one of them is user")
	}
	return l.report.Faults == faults
}

// read reads the cells of the next row, empty lines left out.
func (l *list) read() ([]string, error) {
	l.src.record = maxRecord
	cells, err := l.csv.Read()
	if err == nil {
		l.line, _ = l.csv.FieldPos(0)
	}
	return cells, err
}

// next returns the next row that is sound. ok is false for one that is not, and
// err is io.EOF behind the last.
func (l *list) next() (r row, ok bool, err error) {
	cells, err := l.read()
	if errors.Is(err, io.EOF) {
		return r, false, err
	}
	if err != nil {
		if end, err := l.readFault(err); err != nil || !end {
			return r, false, err
		}
		return r, false, io.EOF
	}
	if !slices.ContainsFunc(cells, func(c string) bool { return strings.TrimSpace(c) != "" }) {
		return r, false, nil
	}
	if l.report.Rows++; l.report.Rows > l.most {
		l.fault(l.line, "", "too_many_rows", fmt.Sprintf("a list has %d rows at most; split it", l.most))
		return r, false, io.EOF
	}
	if len(cells) != l.width {
		l.fault(l.line, "", "cells", fmt.Sprintf("the header has %d columns, this line has %d; a cell with the separator in it stands in quotes",
			l.width, len(cells)))
		return r, false, nil
	}
	r, ok = l.parse(cells)
	return r, ok, nil
}

// readFault turns what the reader met into a fault of its line. end says that
// nothing can be read behind it. Another error is one of the transport.
func (l *list) readFault(err error) (end bool, _ error) {
	var p *csv.ParseError
	switch {
	case errors.As(err, &p):
		l.line = p.StartLine
		l.report.Rows++
		l.fault(p.StartLine, "", "quotes", `a cell with a quote in it stands in quotes, and the quote is doubled: "5"" pipe"`)
		return false, nil
	case errors.Is(err, errRecordLong):
		l.fault(l.line+1, "", "row_too_long", fmt.Sprintf("a row has %d bytes at most; is a closing quote missing?", maxRecord))
		return true, nil
	case errors.Is(err, errFileLong):
		l.fault(l.line+1, "", "file_too_long", fmt.Sprintf("a list has %d MiB at most; split it", MaxImportSize>>20))
		return true, nil
	}
	return true, fmt.Errorf("read list: %w", err)
}

// parse reads the cells of a row and notes every fault in them.
func (l *list) parse(cells []string) (row, bool) {
	faults := l.report.Faults
	r := row{Line: l.line}
	cell := func(column string) string {
		i, ok := l.columns[column]
		if !ok {
			return ""
		}
		text := strings.TrimSpace(cells[i])
		if reason, hint := unreadable(text); reason != "" {
			l.fault(l.line, column, reason, hint)
			return ""
		}
		return text
	}
	user, unread := cell(columnUser), l.report.Faults > faults
	if !unread {
		r.User = l.user(user)
	}
	r.Reason = cell(columnReason)
	if r.Reason == "" && !l.reason && l.report.Faults == faults {
		l.fault(l.line, columnReason, "reason_missing", "a line needs a reason, here or for the whole list")
	}
	r.Since = l.since(cell(columnSince))
	switch scope := permissions.Channels(strings.ToLower(cell(columnScope))); scope {
	case "":
		r.Channels = permissions.ChannelsCalls
	case permissions.ChannelsCalls, permissions.ChannelsMessages, permissions.ChannelsAll:
		r.Channels = scope
	default:
		l.fault(l.line, columnScope, "scope_unknown", "calls, messages or all")
	}
	return r, l.report.Faults == faults
}

func unreadable(text string) (reason, hint string) {
	switch {
	case !utf8.ValidString(text):
		return "encoding", "the cell is no UTF-8; save the file as CSV UTF-8"
	case len(text) > maxCell:
		return "cell_too_long", fmt.Sprintf("a cell has %d bytes at most", maxCell)
	case strings.ContainsFunc(text, unicode.IsControl):
		return "control_character", "a cell is one line of text"
	}
	return "", ""
}

// user reads a phone number or a BSUID.
func (l *list) user(text string) permissions.User {
	if u := permissions.User(text); strings.Contains(text, ".") && u.Valid() {
		return u
	}
	n, err := geo.Parse(text)
	if err == nil {
		return permissions.User(n)
	}
	reason, hint := "number", "E.164, such as +6591234567, or a BSUID, such as US.13491208655302741918"
	var why *geo.NumberError
	switch {
	case scientific(text):
		reason, hint = "number_rounded", "a spreadsheet rounded the number; format the column as text and take the list from its source"
	case errors.As(err, &why):
		reason, hint = why.Reason(), strings.TrimPrefix(why.Error(), "geo: ")
	}
	l.fault(l.line, columnUser, reason, hint)
	return ""
}

// scientific says whether a spreadsheet made a number such as 6.59123E+09 of one.
func scientific(text string) bool {
	head, tail, ok := strings.Cut(strings.ToUpper(text), "E+")
	return ok && head != "" && strings.Trim(head, "0123456789.,") == "" && tail != "" && strings.Trim(tail, "0123456789") == ""
}

// since reads the time from which the user was listed, zero when none is given.
func (l *list) since(text string) time.Time {
	if text == "" {
		return time.Time{}
	}
	const slack = 5 * time.Minute // between two clocks
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t, err = time.Parse(time.DateOnly, text)
	}
	switch {
	case err != nil:
		l.fault(l.line, columnSince, "since_unreadable", "a date, such as 2026-11-22, or RFC 3339, such as 2026-11-22T18:00:00Z")
	case t.After(l.now.Add(slack)):
		l.fault(l.line, columnSince, "since_future", "the time is still to come")
	case t.Year() < 1990:
		l.fault(l.line, columnSince, "since_too_early", "no do-not-call list is that old")
	default:
		return t.UTC()
	}
	return time.Time{}
}
