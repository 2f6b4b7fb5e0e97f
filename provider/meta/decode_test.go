package meta_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/callctl/callctl/permissions"
	"github.com/callctl/callctl/provider"
)

func TestDecodeRefusesWhatIsNoJSON(t *testing.T) {
	good := string(fixture(t, "messages/text.json"))
	for name, raw := range map[string]string{
		"empty": "", "space": " \n", "text": "hello", "half": good[:len(good)/2], "two": good + good,
		"deep":         strings.Replace(good, `"object"`, `"x":`+strings.Repeat("[", 64)+strings.Repeat("]", 64)+`,"object"`, 1),
		"member twice": strings.Replace(good, `"id": "wamid.M"`, `"id": "wamid.M", "id": "wamid.N"`, 1),
		"very deep":    strings.Repeat("[", 1<<20),
	} {
		delivery, err := account(t).Decode([]byte(raw), permissions.AuthHMAC)
		require.ErrorIs(t, err, provider.ErrMalformed, name)
		require.Zero(t, delivery)
		require.NotContains(t, err.Error(), "1408555")
	}
}

func TestDecodeNamesWhatItDoesNotKnow(t *testing.T) {
	for raw, want := range map[string]string{
		`[]`:                                     "malformed:body",
		`null`:                                   "malformed:body",
		`"text"`:                                 "malformed:body",
		`{}`:                                     "object:unreadable",
		`{"object":"page","entry":[]}`:           "object:page",
		`{"object":"whatsapp_business_account"}`: "malformed:entry",
		`{"object":"whatsapp_business_account","entry":{}}`:                                              "malformed:entry",
		`{"object":"whatsapp_business_account","entry":[]}`:                                              "malformed:entry",
		`{"object":"whatsapp_business_account","entry":[5]}`:                                             "malformed:changes",
		`{"object":"whatsapp_business_account","entry":[{"changes":"x"}]}`:                               "malformed:changes",
		`{"object":"whatsapp_business_account","entry":[{"changes":[7]}]}`:                               "field:unreadable",
		`{"object":"whatsapp_business_account","entry":[{"changes":[{"field":"flows","value":{}}]}]}`:    "field:flows",
		`{"object":"whatsapp_business_account","entry":[{"changes":[{"field":"account_update"}]}]}`:      "field:account_update",
		`{"object":"whatsapp_business_account","entry":[{"changes":[{"field":"messages","value":{}}]}]}`: "malformed:messages.metadata",
		`{"object":"whatsapp_business_account","entry":[{"changes":[{"field":"calls","value":[]}]}]}`:    "malformed:calls.metadata",
		inMessages(``): "empty:messages",
		inMessages(`,"errors":[{"code":130429}]`):                                              "error:130429",
		inMessages(`,"messages":[{"from":"14085551234","id":"wamid.1","type":"unsupported"}]`): "type:unsupported",
		inMessages(`,"messages":[{"from":"x","id":"wamid.1","type":"text"}]`):                  "malformed:message.from",
		inMessages(`,"messages":[{"from":"14085551234","id":"wamid.1","type":"text"}]`):        "malformed:message.text",
		inMessages(`,"messages":["text"]`):                                                     "malformed:message.type",
		inMessages(`,"statuses":[{}]`):                                                         "malformed:status",
		inMessages(`,"calls":[null]`):                                                          "malformed:call.id",
	} {
		got := decode(t, []byte(raw))
		got.Unknown = unplaced(got.Unknown)
		require.Equal(t, provider.Delivery{Unknown: []string{want}}, got, raw)
	}
	require.Equal(t, []string{"malformed:messages@0.0", "empty:messages@0.0"},
		decode(t, []byte(inMessages(`,"messages":{}`))).Unknown)
}

// unplaced are the names without their places.
func unplaced(names []string) []string {
	var all []string
	for _, name := range names {
		word, _, _ := strings.Cut(name, "@")
		all = append(all, word)
	}
	return all
}

// inMessages is a body whose only change is ours, with more members of its value.
func inMessages(more string) string {
	return bodyOf(change("messages", numberID, more))
}

func change(field, number, more string) string {
	return fmt.Sprintf(`{"field":%q,"value":{"metadata":{"phone_number_id":%q}%s}}`, field, number, more)
}

func bodyOf(changes ...string) string {
	return `{"object":"whatsapp_business_account","entry":[{"id":"1","changes":[` + strings.Join(changes, ",") + `]}]}`
}

func text(id int) string {
	return fmt.Sprintf(`,"messages":[{"from":"14085551234","id":"wamid.%d","timestamp":"1767168000","type":"text","text":{"body":"m%d"}}]`, id, id)
}

func TestDecodeOtherAccounts(t *testing.T) {
	for name, raw := range map[string]string{
		"one":          bodyOf(change("messages", "999", text(1))),
		"all":          bodyOf(change("messages", "999", text(1)), change("calls", "998", "")),
		"other field":  bodyOf(change("flows", "999", "")),
		"longer id":    bodyOf(change("messages", numberID+"0", text(1))),
		"id in spaces": bodyOf(change("messages", " "+numberID, text(1))),
	} {
		delivery, err := account(t).Decode([]byte(raw), permissions.AuthHMAC)
		require.ErrorIs(t, err, provider.ErrWrongAccount, name)
		require.Zero(t, delivery)
	}

	delivery := decode(t, []byte(bodyOf(change("messages", "999", text(1)), change("messages", numberID, text(2)))))
	require.Equal(t, []string{"foreign:messages@0.0"}, delivery.Unknown)
	require.Len(t, delivery.Facts, 1)
	require.Equal(t, "meta/wamid.2", delivery.Facts[0].ID)

	number := strings.Replace(bodyOf(change("messages", numberID, text(3))), `"`+numberID+`"`, numberID, 1)
	require.Len(t, decode(t, []byte(number)).Facts, 1, "the id as a number is the same id")
}

// A thousand changes in one body, a random part of them poisoned: every sound one
// becomes its fact, in order, and every poisoned one is named.
func TestDecodeBatchWithPoison(t *testing.T) {
	poison := []string{
		`5`, `null`, `"x"`, `[]`, `{}`,
		`{"field":"messages"}`, `{"field":"messages","value":7}`,
		change("messages", numberID, `,"messages":7`),
		change("messages", numberID, `,"messages":[7]`),
		change("messages", numberID, `,"messages":[{"type":"text","from":[],"text":{"body":"x"}}]`),
		change("messages", numberID, `,"messages":[{"from":"14085551234","id":"wamid.P","type":"interactive","interactive":"call_permission_reply"}]`),
		change("messages", numberID, `,"messages":[{"from":"14085551234","id":"wamid.P","type":"interactive","interactive":{"type":"call_permission_reply","call_permission_reply":{"response":"accept"}}}]`),
		change("messages", numberID, `,"statuses":[{"status":{}}]`),
		change("calls", numberID, `,"calls":[{"id":"wacid.P","event":"connect","timestamp":"now"}]`),
		change("calls", numberID, `,"calls":[[]]`),
		change("messages", "1", text(0)),
		change("flows", numberID, ``),
		change("user_id_update", numberID, `,"user_id_update":[5]`),
		change("user_preferences", numberID, `,"user_preferences":[{"wa_id":"14085551234","category":"marketing_messages","value":"maybe","timestamp":1}]`),
		change("messages", numberID, `,"statuses":[{"id":"wamid.P","status":"sent","recipient_id":"abc"}]`),
		`{"field":"account_update","value":{"event":[]}}`,
		`{"field":"account_update","value":{"phone_number":"1","event":"ACCOUNT_RESTRICTION"}}`,
		`{"field":"message_template_status_update","value":{"event":"PAUSED"}}`,
	}
	random := rand.New(rand.NewPCG(8, 8))
	for range 20 {
		var changes, want []string
		var bad []int
		for i := range 1000 {
			if random.IntN(3) == 0 {
				changes = append(changes, poison[random.IntN(len(poison))])
				bad = append(bad, i)
				continue
			}
			changes = append(changes, change("messages", numberID, text(i)))
			want = append(want, fmt.Sprintf("meta/wamid.%d", i))
		}
		delivery := decode(t, []byte(bodyOf(changes...)))
		var got []string
		for _, fact := range delivery.Facts {
			require.Equal(t, permissions.Messaged, fact.Kind)
			got = append(got, fact.ID)
		}
		require.Equal(t, want, got)
		require.Empty(t, delivery.Calls)
		require.Equal(t, bad, places(t, delivery.Unknown), "every bad one is named with its place")
	}
}

// places are the changes that the names speak of, in order and each once.
func places(t *testing.T, names []string) []int {
	t.Helper()
	var all []int
	for _, name := range names {
		_, place, found := strings.Cut(name, "@0.")
		require.True(t, found, name)
		number, _, _ := strings.Cut(place, ".")
		n, err := strconv.Atoi(number)
		require.NoError(t, err)
		all = append(all, n)
	}
	return slices.Compact(all)
}

// The work on a body grows with its size and not with its square, however many
// contacts it has and however many of them are one person's.
func TestDecodeManyContacts(t *testing.T) {
	const n = 2000
	var people, same, messages []string
	for i := range n {
		people = append(people, fmt.Sprintf(`{"wa_id":"1408%07d"}`, i))
		same = append(same, fmt.Sprintf(`{"wa_id":"14080000000","user_id":"US.%d"}`, i))
		messages = append(messages, fmt.Sprintf(`{"from":"14080000000","id":"wamid.%d","type":"text","text":{"body":"x"}}`, i))
	}
	for name, list := range map[string][]string{"different": people, "same": same} {
		body := inMessages(`,"contacts":[` + strings.Join(list, ",") + `],"messages":[` + strings.Join(messages, ",") + `]`)
		began := time.Now()
		require.Len(t, decode(t, []byte(body)).Facts, n)
		require.Less(t, time.Since(began), 5*time.Second, name)
	}
}

// BenchmarkDecode reads the largest batch that Meta sends, 1,000 changes.
func BenchmarkDecode(b *testing.B) {
	changes := make([]string, 1000)
	for i := range changes {
		changes[i] = change("messages", numberID, text(i))
	}
	raw, a := []byte(bodyOf(changes...)), account(b)
	b.SetBytes(int64(len(raw)))
	for b.Loop() {
		if _, err := a.Decode(raw, permissions.AuthHMAC); err != nil {
			b.Fatal(err)
		}
	}
}

// Every recorded sample together in one body says what each says alone.
func TestDecodeSamplesInOneBody(t *testing.T) {
	var changes []string
	var want provider.Delivery
	for _, path := range samples(t) {
		raw := read(t, path)
		alone := decode(t, raw)
		want.Facts = append(want.Facts, alone.Facts...)
		want.Calls = append(want.Calls, alone.Calls...)
		want.Notices = append(want.Notices, alone.Notices...)
		var body struct {
			Entry []struct{ Changes []json.RawMessage }
		}
		require.NoError(t, json.Unmarshal(raw, &body))
		changes = append(changes, string(body.Entry[0].Changes[0]))
	}
	require.Equal(t, want, decode(t, []byte(bodyOf(changes...))))
}

func samples(tb testing.TB) []string {
	tb.Helper()
	var all []string
	for _, folder := range []string{"replies", "messages", "messages/silent", "calls", "users", "receipts"} {
		found, err := filepath.Glob(filepath.Join("testdata", folder, "*.json"))
		require.NoError(tb, err)
		require.NotEmpty(tb, found)
		all = append(all, found...)
	}
	return all
}

func read(tb testing.TB, path string) []byte {
	tb.Helper()
	raw, err := os.ReadFile(path)
	require.NoError(tb, err)
	return raw
}

// Whatever arrives, Decode keeps its promises: an error of a known kind and
// nothing else, or facts that the ledger can hold.
func FuzzDecode(f *testing.F) {
	for _, path := range samples(f) {
		f.Add(read(f, path))
	}
	news, err := filepath.Glob(filepath.Join("testdata", "news", "*.json"))
	require.NoError(f, err)
	for _, path := range news {
		f.Add(read(f, path))
	}
	f.Add([]byte(bodyOf(change("messages", "1", ""), change("calls", numberID, `,"calls":[{"id":"w"}]`))))
	a := account(f)
	f.Fuzz(func(t *testing.T, raw []byte) {
		kept := bytes.Clone(raw)
		delivery, err := a.Decode(raw, permissions.AuthHMAC)
		require.Equal(t, kept, raw)
		if err != nil {
			require.Zero(t, delivery)
			return
		}
		for _, fact := range delivery.Facts {
			requireSound(t, fact)
			require.True(t, fact.Kind != permissions.Granted || accepts(raw), "no grant without an accept")
		}
		for _, n := range delivery.Notices {
			require.NotEmpty(t, strings.TrimPrefix(n.ID, "meta/"))
			require.NotEmpty(t, n.Kind)
			require.EqualValues(t, business, n.Business)
			require.False(t, n.At.IsZero())
			require.True(t, n.Kind != permissions.Restriction || n.Type != "")
		}
		for _, call := range delivery.Calls {
			require.NotEmpty(t, call.Wacid)
			require.NotEmpty(t, call.Kind)
			require.False(t, call.At.IsZero())
			require.NotEqual(t, business, call.User)
		}
		for _, name := range delivery.Unknown {
			require.Regexp(t, `^[a-z]+:[A-Za-z0-9_.-]+(@[0-9a-z_.]+)?$`, name)
		}
	})
}

func requireSound(t *testing.T, fact permissions.Event) {
	t.Helper()
	require.NotEmpty(t, strings.TrimPrefix(fact.ID, "meta/"))
	require.EqualValues(t, business, fact.Pair.Business)
	again, ok := provider.ParseUser(string(fact.Pair.User))
	require.True(t, ok)
	require.Equal(t, fact.Pair.User, again)
	require.NotEqualValues(t, business, fact.Pair.User)
	require.False(t, fact.At.IsZero())
	require.Equal(t, permissions.AuthHMAC, fact.Auth)
	switch fact.Kind {
	case permissions.Granted, permissions.Declined, permissions.Messaged, permissions.Willing:
	case permissions.Reported:
		require.NotEmpty(t, fact.Outcome)
		require.NotEmpty(t, fact.Ref)
	case permissions.Delivered:
		require.NotEmpty(t, fact.Delivery)
		require.NotEmpty(t, fact.Ref)
	case permissions.IDChanged:
		require.NotEqual(t, fact.Previous, fact.Current)
	case permissions.MessagesStopped, permissions.MessagesResumed:
		require.Equal(t, "marketing", fact.Category)
	default:
		require.Fail(t, "a kind that no webhook tells", fact.Kind)
	}
	require.False(t, fact.Permanent && !fact.Expires.IsZero())
	require.False(t, fact.Permanent && fact.Kind != permissions.Granted)
}

// accepts tells whether a JSON text holds an object whose response is accept, by
// other means than the decoder's.
func accepts(raw []byte) bool {
	var v any
	if json.Unmarshal(raw, &v) != nil {
		return false
	}
	var look func(v any) bool
	look = func(v any) bool {
		switch v := v.(type) {
		case map[string]any:
			for key, inner := range v {
				word, _ := inner.(string)
				if strings.EqualFold(key, "response") && strings.EqualFold(strings.TrimSpace(word), "accept") || look(inner) {
					return true
				}
			}
		case []any:
			return slices.ContainsFunc(v, look)
		}
		return false
	}
	return look(v)
}
