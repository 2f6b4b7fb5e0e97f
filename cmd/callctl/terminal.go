package main

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"
	"text/tabwriter"
)

// The formats of --output; formatAuto is a table on a terminal and JSON elsewhere.
const (
	formatAuto  = "auto"
	formatTable = "table"
	formatJSON  = "json"
	formatJSONL = "jsonl"
	formatCSV   = "csv"
)

// terminal is where a command speaks to its user.
type terminal struct {
	Out    io.Writer // results
	Err    io.Writer // everything else
	Env    []string
	Format string // never formatAuto
}

// column is one value of a table: its heading and where it stands in the JSON
// object, such as "whatsapp.packetsIn".
type column struct {
	title string
	path  string
}

// note writes a line that is no result.
func (t *terminal) note(format string, args ...any) { fmt.Fprintf(t.Err, format+"\n", args...) }

// object prints one thing: JSON as it is, or its columns.
func (t *terminal) object(v any, columns []column) error {
	raw, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode result: %w", err)
	}
	switch t.Format {
	case formatJSON:
		return t.indented(raw)
	case formatJSONL:
		return t.line(raw)
	case formatCSV:
		return t.csv([]json.RawMessage{raw}, columns)
	}
	w := tabwriter.NewWriter(t.Out, 0, 4, 2, ' ', 0)
	row := cells(raw, columns)
	for i, c := range columns {
		if row[i] != "" {
			fmt.Fprintf(w, "%s\t%s\n", c.title, row[i])
		}
	}
	return flush(w)
}

// list prints many things of one kind.
func (t *terminal) list(items []json.RawMessage, columns []column) error {
	switch t.Format {
	case formatJSON:
		if items == nil {
			items = []json.RawMessage{}
		}
		raw, err := json.Marshal(items)
		if err != nil {
			return fmt.Errorf("encode result: %w", err)
		}
		return t.indented(raw)
	case formatJSONL:
		for _, raw := range items {
			if err := t.line(raw); err != nil {
				return err
			}
		}
		return nil
	case formatCSV:
		return t.csv(items, columns)
	}
	w := tabwriter.NewWriter(t.Out, 0, 4, 2, ' ', 0)
	titles := make([]string, len(columns))
	for i, c := range columns {
		titles[i] = strings.ToUpper(c.title)
	}
	fmt.Fprintln(w, strings.Join(titles, "\t"))
	for _, raw := range items {
		fmt.Fprintln(w, strings.Join(cells(raw, columns), "\t"))
	}
	return flush(w)
}

// section adds a list to the table of a thing: an empty line, a title when it has
// one, the list. Without items it adds nothing.
func (t *terminal) section(title string, items []json.RawMessage, columns []column) error {
	if len(items) == 0 {
		return nil
	}
	if title != "" {
		title += "\n"
	}
	if err := t.write([]byte("\n" + title)); err != nil {
		return err
	}
	return t.list(items, columns)
}

// more goes on with a list that list began: no headings.
func (t *terminal) more(items []json.RawMessage, columns []column) error {
	for _, raw := range items {
		var err error
		switch t.Format {
		case formatCSV:
			err = t.csvRows([][]string{cells(raw, columns)})
		case formatTable:
			err = t.write([]byte(strings.Join(cells(raw, columns), "  ") + "\n"))
		default:
			err = t.line(raw)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func flush(w *tabwriter.Writer) error {
	if err := w.Flush(); err != nil {
		return fmt.Errorf("write result: %w", err)
	}
	return nil
}

func (t *terminal) indented(raw []byte) error {
	var b bytes.Buffer
	if err := json.Indent(&b, raw, "", "  "); err != nil {
		return fmt.Errorf("encode result: %w", err)
	}
	b.WriteByte('\n')
	return t.write(b.Bytes())
}

func (t *terminal) line(raw []byte) error {
	var b bytes.Buffer
	if err := json.Compact(&b, raw); err != nil {
		return fmt.Errorf("encode result: %w", err)
	}
	b.WriteByte('\n')
	return t.write(b.Bytes())
}

func (t *terminal) write(b []byte) error {
	if _, err := t.Out.Write(b); err != nil {
		return fmt.Errorf("write result: %w", err)
	}
	return nil
}

func (t *terminal) csv(items []json.RawMessage, columns []column) error {
	head := make([]string, len(columns))
	for i, c := range columns {
		head[i] = c.path
	}
	rows := [][]string{head}
	for _, raw := range items {
		rows = append(rows, cells(raw, columns))
	}
	return t.csvRows(rows)
}

func (t *terminal) csvRows(rows [][]string) error {
	w := csv.NewWriter(t.Out)
	for _, row := range rows {
		for i := range row {
			row[i] = csvText(row[i])
		}
		if err := w.Write(row); err != nil {
			return fmt.Errorf("write result: %w", err)
		}
	}
	w.Flush()
	if err := w.Error(); err != nil {
		return fmt.Errorf("write result: %w", err)
	}
	return nil
}

var plainNumber = regexp.MustCompile(`^[+-]?[0-9.]+$`)

// csvText keeps a spreadsheet from taking text for a formula. A phone number
// with its plus is left alone: it can compute nothing.
func csvText(s string) string {
	if s != "" && strings.ContainsRune("=+-@\t\r", rune(s[0])) && !plainNumber.MatchString(s) {
		return "'" + s
	}
	return s
}

// cells reads the columns out of a JSON object.
func cells(raw []byte, columns []column) []string {
	var v any
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	row := make([]string, len(columns))
	if err := d.Decode(&v); err != nil {
		return row
	}
	for i, c := range columns {
		row[i] = cell(v, c.path)
	}
	return row
}

// cell is the text at a path of a JSON value; lists and objects are written as
// words.
func cell(v any, path string) string {
	for path != "" {
		var key string
		key, path, _ = strings.Cut(path, ".")
		if list, ok := v.([]any); ok { // one word for each item
			words := make([]string, len(list))
			for i := range list {
				words[i] = cell(list[i], strings.TrimSuffix(key+"."+path, "."))
			}
			return strings.Join(words, " ")
		}
		m, ok := v.(map[string]any)
		if !ok {
			return ""
		}
		v = m[key]
	}
	return word(v)
}

// word is the text of a JSON value.
func word(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return printable(v)
	case bool:
		if v {
			return "yes"
		}
		return "no"
	case []any:
		words := make([]string, len(v))
		for i := range v {
			words[i] = word(v[i])
		}
		return strings.Join(words, " ")
	case map[string]any:
		words := make([]string, 0, len(v))
		for _, key := range slices.Sorted(maps.Keys(v)) {
			words = append(words, printable(key)+"="+word(v[key]))
		}
		return strings.Join(words, " ")
	}
	return fmt.Sprint(v)
}

// printable keeps a stranger's text from steering the terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || (r >= 0x80 && r < 0xa0) {
			return ' '
		}
		return r
	}, s)
}
