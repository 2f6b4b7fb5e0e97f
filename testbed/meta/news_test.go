package meta_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/callctl/callctl/testbed/meta"
)

const (
	messages    = "/v26.0/" + number + "/messages"
	permissions = "/v26.0/" + number + "/call_permissions?user_wa_id=" + user
)

func template(name string) object {
	return object{
		"messaging_product": "whatsapp", "to": user, "type": "template",
		"template": object{"name": name, "language": object{"code": "en"}},
	}
}

// last is the field and value of the last webhook; numbers are json.Number.
func (w *world) last() (field string, value object) {
	w.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	require.NotEmpty(w.t, w.bodies)
	var envelope struct {
		Entry []struct {
			Changes []struct {
				Field string
				Value map[string]any
			}
		}
	}
	decoder := json.NewDecoder(bytes.NewReader(w.bodies[len(w.bodies)-1]))
	decoder.UseNumber()
	require.NoError(w.t, decoder.Decode(&envelope))
	change := envelope.Entry[0].Changes[0]
	return change.Field, change.Value
}

func TestNewsOfTheNumberAndItsTemplates(t *testing.T) {
	w := newWorld(t, nil)
	until := time.Unix(1900000000, 0)
	cases := []struct {
		name  string
		post  func() error
		field string
		want  string // the value as JSON
	}{
		{
			"violation", func() error { return w.fake.Violate(t.Context(), "LOW_BUSINESS_INITIATED_CALLING_QUALITY") }, "account_update",
			`{"phone_number":"` + business + `","event":"ACCOUNT_VIOLATION","violation_info":{"violation_type":"LOW_BUSINESS_INITIATED_CALLING_QUALITY"}}`,
		},
		{
			"restriction", func() error { return w.fake.Restrict(t.Context(), meta.RestrictedBusiness, until) }, "account_update",
			`{"phone_number":"` + business + `","event":"ACCOUNT_RESTRICTION","restriction_info":[{"restriction_type":"RESTRICTED_BUSINESS_INITIATED_CALLING","expiration":1900000000}]}`,
		},
		{
			"restriction of both, open-ended", func() error { return w.fake.Restrict(t.Context(), meta.RestrictedBoth, time.Time{}) }, "account_update",
			`{"phone_number":"` + business + `","event":"ACCOUNT_RESTRICTION","restriction_info":[{"restriction_type":"RESTRICTED_BIZ_INITIATED_AND_USER_INITIATED_CALLING"}]}`,
		},
		{
			"Direct Send unban", func() error { return w.fake.DirectSend(t.Context(), "UNBAN") }, "account_update",
			`{"phone_number":"` + business + `","event":"ACCOUNT_RESTRICTION","violation_info":{"violation_type":"DIRECT_SEND_UTILITY_CATEGORY_ABUSE_UNBAN"}}`,
		},
		{
			"quality", func() error { return w.fake.Quality(t.Context(), "DOWNGRADE", "TIER_250") }, "phone_number_quality_update",
			`{"display_phone_number":"` + business + `","event":"DOWNGRADE","current_limit":"TIER_250","max_daily_conversations_per_business":"TIER_250"}`,
		},
		{
			"template status", func() error {
				return w.fake.SetTemplate(t.Context(), "cpr", "en", meta.TemplateRejected, "INCORRECT_CATEGORY")
			}, "message_template_status_update",
			`{"message_template_id":594425479261596,"message_template_name":"cpr","message_template_language":"en","event":"REJECTED","reason":"INCORRECT_CATEGORY"}`,
		},
		{
			"template quality", func() error { return w.fake.TemplateQuality(t.Context(), "cpr", "en", "GREEN", "RED") }, "message_template_quality_update",
			`{"message_template_id":594425479261596,"message_template_name":"cpr","message_template_language":"en","previous_quality_score":"GREEN","new_quality_score":"RED"}`,
		},
		{
			"template category", func() error { return w.fake.TemplateCategory(t.Context(), "cpr", "en", "UTILITY", "MARKETING") }, "template_category_update",
			`{"message_template_id":594425479261596,"message_template_name":"cpr","message_template_language":"en","previous_category":"UTILITY","new_category":"MARKETING"}`,
		},
		{
			"template category to come", func() error {
				return w.fake.TemplateWarning(t.Context(), "cpr", "en", "UTILITY", "MARKETING", until)
			}, "template_category_update",
			`{"message_template_id":594425479261596,"message_template_name":"cpr","message_template_language":"en","new_category":"UTILITY","correct_category":"MARKETING","category_update_timestamp":1900000000}`,
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			require.NoError(t, c.post())
			field, value := w.last()
			require.Equal(t, c.field, field)
			raw, err := json.Marshal(value)
			require.NoError(t, err)
			require.JSONEq(t, c.want, string(raw))
		})
	}
}

func TestARestrictedNumberNeitherAsksNorCalls(t *testing.T) {
	w := newWorld(t, nil)
	w.fake.SetPermission(user, "temporary", time.Now().Add(time.Hour))
	offer := newBusiness(t).offer()
	for _, kind := range []string{meta.RestrictedBusiness, meta.RestrictedBoth, meta.RestrictedBothLong} {
		require.NoError(t, w.fake.Restrict(t.Context(), kind, time.Now().Add(time.Hour)))
		status, answer := w.connect(offer)
		require.Equal(t, []int{400, 138014}, []int{status, code(answer)}, kind)
		_, answer = w.post(messages, template("cpr"))
		require.Equal(t, 138014, code(answer))
		_, answer = w.do(http.MethodGet, permissions, "token", nil)
		require.Equal(t, "temporary", answer["permission"].(map[string]any)["status"], "grants stay")
		for _, action := range answer["actions"].([]any) {
			require.Equal(t, false, action.(map[string]any)["can_perform_action"])
		}
		_, answer = w.do(http.MethodGet, "/v26.0/"+number+"/settings", "token", nil)
		list := answer["calling"].(map[string]any)["restrictions"].(map[string]any)["restrictions_list"].([]any)
		require.Equal(t, kind, list[0].(map[string]any)["type"])
		require.NoError(t, w.fake.Unrestrict(t.Context(), true))
		field, value := w.last()
		require.Equal(t, "account_settings_update", field)
		settings := value["phone_number_settings"].(map[string]any)
		require.Equal(t, number, settings["phone_number_id"])
		require.NotContains(t, settings["calling"], "restrictions")
	}
	require.NoError(t, w.fake.Restrict(t.Context(), meta.RestrictedBusiness, time.Now().Add(-time.Second)))
	require.NoError(t, w.fake.Restrict(t.Context(), meta.RestrictedUser, time.Time{}))
	status, _ := w.connect(offer)
	require.Equal(t, 200, status, "one that is past, and one of the other direction, are none")
}

func TestANumberThatCannotCall(t *testing.T) {
	w := newWorld(t, nil)
	w.fake.SetPermission(user, "permanent", time.Time{})
	offer := newBusiness(t).offer()
	w.fake.SetCalling(false)
	status, answer := w.connect(offer)
	require.Equal(t, []int{401, 138000}, []int{status, code(answer)})
	w.fake.SetCalling(true)
	w.fake.SetCallsAvailable(false)
	status, answer = w.connect(offer)
	require.Equal(t, []int{400, 138013}, []int{status, code(answer)})
	w.fake.SetCallsAvailable(true)
	_, answer = w.post(messages, template("cpr"))
	require.Equal(t, 138017, code(answer), "permanent permission exists")
	status, _ = w.connect(offer)
	require.Equal(t, 200, status)
}

func TestConnectedCallsAreLimited(t *testing.T) {
	w := newWorld(t, func(cfg *meta.Config) { cfg.Limits.CallsPerDay = 2 })
	w.fake.SetPermission(user, "permanent", time.Time{})
	for range 2 {
		_, err := w.fake.PlacedCall(t.Context(), user, meta.BusinessInitiated, "connected")
		require.NoError(t, err)
	}
	status, answer := w.connect(newBusiness(t).offer())
	require.Equal(t, []int{400, 138012}, []int{status, code(answer)})
	require.Regexp(t, `possible again at \d{10}$`, details(answer))
	_, answer = w.do(http.MethodGet, permissions, "token", nil)
	start := answer["actions"].([]any)[1].(map[string]any)
	require.Equal(t, false, start["can_perform_action"])
	limit := start["limits"].([]any)[0].(map[string]any)
	require.InDelta(t, 2, limit["max_allowed"], 0)
	require.InDelta(t, 2, limit["current_usage"], 0)
	require.InDelta(t, float64(time.Now().Add(24*time.Hour).Unix()), limit["limit_expiration_time"], 5)
}

func TestSandbox(t *testing.T) {
	w := newWorld(t, func(cfg *meta.Config) { cfg.Limits = meta.SandboxLimits() })
	for range 25 {
		status, _ := w.post(messages, template("cpr"))
		require.Equal(t, 200, status)
	}
	_, answer := w.post(messages, template("cpr"))
	require.Equal(t, 138009, code(answer))
	w.fake.SetPermission(user, "permanent", time.Time{})
	for i := range 10 {
		_, err := w.fake.PlacedCall(t.Context(), user, meta.BusinessInitiated, "unanswered")
		require.NoError(t, err)
		_, answer := w.do(http.MethodGet, permissions, "token", nil)
		if answer["error"] != nil { // more than 5 in a second
			continue
		}
		status := answer["permission"].(map[string]any)["status"]
		require.Equal(t, i == 9, status == "no_permission", "after the tenth")
	}
}

func TestQuestionsAreLimited(t *testing.T) {
	w := newWorld(t, nil)
	for range 5 {
		status, _ := w.do(http.MethodGet, permissions, "token", nil)
		require.Equal(t, 200, status)
	}
	status, answer := w.do(http.MethodGet, permissions, "token", nil)
	require.Equal(t, []int{429, 613}, []int{status, code(answer)})
	time.Sleep(250 * time.Millisecond)
	status, _ = w.do(http.MethodGet, permissions, "token", nil)
	require.Equal(t, 200, status)
}

func TestFaults(t *testing.T) {
	w := newWorld(t, nil)
	w.fake.FailNext("call_permissions", 2, meta.Fault{Status: 503, Code: 131000, Message: "Something went wrong", RetryAfter: 30 * time.Second})
	w.fake.FailNext("messages", 1, meta.Fault{Status: 400, Code: 131044, Message: "Payment issue"})
	for range 2 {
		status, answer := w.do(http.MethodGet, permissions, "token", nil)
		require.Equal(t, []int{503, 131000}, []int{status, code(answer)})
	}
	status, _ := w.do(http.MethodGet, permissions, "token", nil)
	require.Equal(t, 200, status)
	_, answer := w.post(messages, template("cpr"))
	require.Equal(t, 131044, code(answer))
	status, _ = w.post(messages, template("cpr"))
	require.Equal(t, 200, status, "what failed was not counted")

	w.fake.FailNext("calls", 1, meta.Fault{Status: 429, Code: 138005, RetryAfter: 7 * time.Second})
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.api.URL+calls, bytes.NewReader([]byte(`{"messaging_product":"whatsapp"}`)))
	require.NoError(t, err)
	request.Header.Set("Authorization", "Bearer token")
	response, err := w.api.Client().Do(request)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	require.Equal(t, "7", response.Header.Get("Retry-After"))
}

func TestTemplatesThatCannotBeSent(t *testing.T) {
	w := newWorld(t, nil)
	for status, want := range map[string]int{
		meta.TemplatePaused: 132015, meta.TemplateDisabled: 132016, meta.TemplateRejected: 132001,
	} {
		require.NoError(t, w.fake.SetTemplate(t.Context(), "cpr", "en", status, "NONE"))
		_, answer := w.post(messages, template("cpr"))
		require.Equal(t, want, code(answer), status)
	}
	require.NoError(t, w.fake.SetTemplate(t.Context(), "cpr", "en", meta.TemplateApproved, "NONE"))
	status, _ := w.post(messages, template("cpr"))
	require.Equal(t, 200, status)
}

func TestReceipts(t *testing.T) {
	w := newWorld(t, nil)
	for _, failing := range []int{131026, 131049} {
		w.fake.FailMessages(user, failing)
		w.fake.SetPermission(user, "", time.Time{})
		_, answer := w.post(messages, template("t"+strconv.Itoa(failing)))
		if code(answer) == 138009 {
			_, err := w.fake.PlacedCall(t.Context(), user, meta.UserInitiated, "connected") // resets the limit
			require.NoError(t, err)
			for range 3 {
				w.next()
			}
			_, answer = w.post(messages, template("t"))
		}
		wamid := answer["messages"].([]any)[0].(map[string]any)["id"]
		receipt := w.next()
		require.Equal(t, "failed", receipt["status"])
		require.Equal(t, wamid, receipt["id"])
		require.InDelta(t, failing, receipt["errors"].([]any)[0].(map[string]any)["code"], 0)
	}
	w.fake.FailMessages(user, 0)
	require.NoError(t, w.fake.TemplateCategory(t.Context(), "news", "en", "UTILITY", "MARKETING"))
	require.NoError(t, w.fake.Preference(t.Context(), user, "stop"))
	field, value := w.last()
	require.Equal(t, "user_preferences", field)
	preference := value["user_preferences"].([]any)[0].(map[string]any)
	require.Equal(t, []any{user, "marketing_messages", "stop"}, []any{preference["wa_id"], preference["category"], preference["value"]})
	w2 := template("news")
	w2["to"] = "14085550000"
	status, _ := w.post(messages, w2)
	require.Equal(t, 200, status, "another user")
	require.NoError(t, w.fake.Receipt(t.Context(), user, "wamid.X", "read", 0))
	receipt := w.next()
	require.Equal(t, []any{"wamid.X", "read", user}, []any{receipt["id"], receipt["status"], receipt["recipient_id"]})
	require.NotContains(t, receipt, "errors")
}

func TestIdentities(t *testing.T) {
	w := newWorld(t, nil)
	const bsuid, next = "US.13491208655302741918", "US.99991208655302741918"
	w.fake.SetIdentity(user, meta.Identity{UserID: bsuid, Username: "zoe", HideNumber: true})
	require.NoError(t, w.fake.Reply(t.Context(), user, true, false))
	message := w.next()
	require.Equal(t, []any{"", bsuid}, []any{message["from"], message["from_user_id"]})
	_, value := w.last()
	contact := value["contacts"].([]any)[0].(map[string]any)
	require.Equal(t, bsuid, contact["user_id"])
	require.Equal(t, "zoe", contact["profile"].(map[string]any)["username"])

	_, answer := w.do(http.MethodGet, "/v26.0/"+number+"/call_permissions?recipient="+bsuid, "token", nil)
	require.Equal(t, "temporary", answer["permission"].(map[string]any)["status"])
	byID := template("cpr")
	delete(byID, "to")
	byID["recipient"] = bsuid
	status, _ := w.post(messages, byID)
	require.Equal(t, 200, status)
	_, answer = w.post(messages, template("cpr"))
	require.Equal(t, 138009, code(answer), "the same user")

	require.NoError(t, w.fake.Tap(t.Context(), user, "Allow calls", "allow", "wamid.T"))
	tap := w.next()
	require.Equal(t, "button", tap["type"])
	require.Equal(t, "Allow calls", tap["button"].(map[string]any)["text"])

	require.NoError(t, w.fake.ChangeUserID(t.Context(), user, next))
	field, value := w.last()
	require.Equal(t, "user_id_update", field)
	require.Equal(t, object{"previous": bsuid, "current": next}, value["user_id_update"].([]any)[0].(map[string]any)["user_id"])

	const moved = "14085559999"
	require.NoError(t, w.fake.ChangeNumber(t.Context(), user, moved))
	require.Equal(t, "user_changed_number", w.next()["system"].(map[string]any)["type"])
	_, answer = w.do(http.MethodGet, "/v26.0/"+number+"/call_permissions?user_wa_id="+moved, "token", nil)
	require.Equal(t, "no_permission", answer["permission"].(map[string]any)["status"], "a changed number inherits nothing")
}

func TestCallsOfOthersOnTheNumber(t *testing.T) {
	w := newWorld(t, nil)
	w.fake.SetPermission(user, "permanent", time.Time{})
	for outcome, want := range map[string][]string{
		"connected":  {"connect", "RINGING", "ACCEPTED", "terminate"},
		"unanswered": {"connect", "RINGING", "terminate"},
		"rejected":   {"connect", "RINGING", "REJECTED", "terminate"},
		"failed":     {"connect", "RINGING", "terminate"},
	} {
		wacid, err := w.fake.PlacedCall(t.Context(), user, meta.BusinessInitiated, outcome)
		require.NoError(t, err)
		var last map[string]any
		for _, name := range want {
			last = w.next()
			require.Equal(t, name, kind(last), outcome)
			require.Equal(t, wacid, last["id"])
		}
		_, timed := last["start_time"]
		require.Equal(t, outcome == "connected", timed)
		require.Equal(t, outcome == "failed", last["status"] == "FAILED")
	}
	for range 4 {
		_, err := w.fake.PlacedCall(t.Context(), user, meta.BusinessInitiated, "unanswered")
		require.NoError(t, err)
	}
	require.Eventually(t, func() bool {
		return w.next()["interactive"] != nil
	}, time.Second, time.Millisecond, "the automatic revocation")
}

func TestOutage(t *testing.T) {
	for _, c := range []struct {
		length time.Duration
		lost   int
	}{{10 * time.Minute, 0}, {8 * 24 * time.Hour, 2}} {
		w := newWorld(t, nil)
		lost, err := w.fake.Outage(t.Context(), c.length, func() error {
			if err := w.fake.Reply(t.Context(), user, true, false); err != nil {
				return err
			}
			require.Empty(t, w.bodies)
			return w.fake.Reply(t.Context(), user, false, false)
		})
		require.NoError(t, err)
		require.Equal(t, c.lost, lost)
		require.Len(t, w.bodies, 2-c.lost)
		_, err = w.fake.Text(t.Context(), user, "back")
		require.NoError(t, err)
		require.Len(t, w.bodies, 3-c.lost)
	}
}

func TestOutageEndsInAnyOrder(t *testing.T) {
	w := newWorld(t, nil)
	w.fake.SetKnobs(meta.Knobs{Duplicate: 1, Reorder: func(all []meta.Webhook) []meta.Webhook {
		slices.Reverse(all)
		return all
	}})
	_, err := w.fake.Outage(t.Context(), time.Minute, func() error {
		for _, text := range []string{"one", "two"} {
			if _, err := w.fake.Text(t.Context(), user, text); err != nil {
				return err
			}
		}
		return nil
	})
	require.NoError(t, err)
	for _, want := range []string{"two", "two", "one", "one"} {
		require.Equal(t, want, w.next()["text"].(map[string]any)["body"])
	}
}

func TestBatchOfAThousandWithPoison(t *testing.T) {
	w := newWorld(t, nil)
	w.seen = make(chan map[string]any, 2000)
	sound, err := w.fake.PostMany(t.Context(), meta.MaxBatch, 10, 6591000000)
	require.NoError(t, err)
	require.Len(t, sound, 900)
	require.Equal(t, "6591000000", sound[0])
	require.Len(t, w.bodies, 1)
	var envelope struct {
		Entry []struct {
			Changes []map[string]any
		}
	}
	require.NoError(t, json.Unmarshal(w.bodies[0], &envelope))
	require.Len(t, envelope.Entry[0].Changes, 1000)
	for kind, want := range []string{
		`"expiration_timestamp":"soon"`, `"timestamp":"yesterday"`, `"response":"perhaps"`, `"from":"[0-9]+","interactive"`,
		`"from":"12"`, `"messages":\["a text`, `"messages":\{`, `"phone_number_id":"9{15}"`, `"value":null`,
	} {
		raw, err := json.Marshal(envelope.Entry[0].Changes[9+10*kind])
		require.NoError(t, err)
		require.Regexp(t, want, string(raw))
	}
	_, answer := w.do(http.MethodGet, "/v26.0/"+number+"/call_permissions?user_wa_id="+sound[899], "token", nil)
	require.Equal(t, "temporary", answer["permission"].(map[string]any)["status"])
}
