package server

import (
	"go/ast"
	"go/parser"
	"go/token"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/callctl/callctl/permissions"
)

// Whoever is refused is told what to do, whatever the reason.
func TestEveryReasonHasAHint(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "../permissions/decision.go", nil, 0)
	require.NoError(t, err)
	n := 0
	ast.Inspect(file, func(node ast.Node) bool {
		spec, ok := node.(*ast.ValueSpec)
		if !ok {
			return true
		}
		kind, ok := spec.Type.(*ast.Ident)
		if !ok || kind.Name != "Reason" {
			return true
		}
		word, ok := spec.Values[0].(*ast.BasicLit)
		require.True(t, ok)
		reason, err := strconv.Unquote(word.Value)
		require.NoError(t, err)
		n++
		if permissions.Reason(reason) != permissions.Allowed {
			require.NotEmpty(t, hint(permissions.Reason(reason)), reason)
		}
		return true
	})
	require.Len(t, hints(), n, "a hint for a reason that is no more")
}
