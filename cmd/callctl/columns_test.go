package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// schema is a part of the OpenAPI document.
type schema struct {
	Ref        string            `json:"$ref"`
	Properties map[string]schema `json:"properties"`
	Items      *schema           `json:"items"`
}

// document reads the schemas of the API, which a test of the server holds to the
// code.
func document(t *testing.T) map[string]schema {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(root, "docs", "openapi.json"))
	require.NoError(t, err)
	var doc struct {
		Components struct {
			Schemas map[string]schema `json:"schemas"`
		} `json:"components"`
	}
	require.NoError(t, json.Unmarshal(b, &doc))
	return doc.Components.Schemas
}

// TestColumnsAreTheAPIs finds every column in what the API answers.
func TestColumnsAreTheAPIs(t *testing.T) {
	schemas := document(t)
	for name, columns := range map[string][]column{
		"Decision": decisionColumns(), "Rule": ruleColumns(),
		"Permission": permissionColumns(), "PermittedAction": actionColumns(), "PermissionEvent": eventColumns(),
		"PermissionRequest": requestColumns(), "DoNotCallEntry": dncColumns(), "Callback": callbackColumns(),
		"Call": callDetails(), "Entry": entryColumns(), "Approval": approvalColumns(),
		"Number": append(numberColumns(), numberDetails()...), "NumberRestriction": restrictionColumns(), "TemplateState": templateColumns(),
		"Drift": driftColumns(), "Notice": noticeColumns(), "Reconciliation": reconcileColumns(),
		"ImportReport": importColumns(), "ImportError": faultColumns(), "KeptDelivery": deliveryDetails(),
	} {
		for _, c := range columns {
			at := schemas[name]
			for key := range strings.SplitSeq(c.path, ".") {
				below, ok := at.Properties[key]
				require.True(t, ok, "%s has no %s", name, c.path)
				if below.Items != nil {
					below = *below.Items
				}
				if ref, found := strings.CutPrefix(below.Ref, "#/components/schemas/"); found {
					below = schemas[ref]
				}
				at = below
			}
		}
	}
}

// TestRequestsAreTheAPIs finds every key that a command sends or reads.
func TestRequestsAreTheAPIs(t *testing.T) {
	schemas := document(t)
	for name, one := range map[string]any{
		"DecisionInputBody": decisionRequest{}, "RequestInputBody": permissionRequest{}, "DoNotCallInputBody": dncEntry{},
		"CallbackInputBody": callbackRequest{}, "CallInputBody": callRequest{}, "GrantInputBody": grantRequest{},
		"RevocationInputBody": revocationRequest{}, "ZoneInputBody": zoneRequest{}, "RejectInputBody": rejectRequest{},
		"Changed": changed{}, "Reconciliation": reconciliation{}, "ImportReport": importReport{},
		"Checkpoint": checkpoint{}, "Proof": proof{}, "Problem": refusal{},
	} {
		for f := range reflect.TypeOf(one).Fields() {
			key, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			require.Contains(t, schemas[name].Properties, key, name)
		}
	}
}
