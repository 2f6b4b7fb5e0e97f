package audit

import (
	"fmt"
	"strings"

	"golang.org/x/mod/sumdb/note"
)

// Sign signs a text of another kind than a checkpoint with the log's key, as a
// signed note. The text ends in a newline, and its first line, which says what
// it is, is not the log's origin: nothing signed here can pass for a checkpoint.
func (l *Log) Sign(text string) ([]byte, error) {
	if first, _, _ := strings.Cut(text, "\n"); first == "" || first == l.cfg.Origin {
		return nil, fmt.Errorf("%w: the text to sign starts like one", ErrCheckpoint)
	}
	signed, err := note.Sign(&note.Note{Text: text}, l.keys.signer)
	if err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	return signed, nil
}
