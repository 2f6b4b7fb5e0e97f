package migrations

import (
	"slices"
	"strings"
)

// repeats says whether a query is of a kind that is run again and again. A pragma
// is not kept, because some do their work while they are prepared
// (sqlite.org/pragma.html), nor is what changes the schema.
func repeats(query string) bool {
	const longest = 9 // SAVEPOINT
	query = strings.TrimLeft(query, " \t\r\n")
	end := strings.IndexAny(query[:min(len(query), longest+1)], " \t\r\n;")
	if end < 0 {
		end = min(len(query), longest)
	}
	return slices.Contains([]string{
		"SELECT", "INSERT", "UPDATE", "DELETE", "WITH",
		"BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT", "RELEASE",
	}, query[:end])
}
