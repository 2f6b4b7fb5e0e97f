package eightx8_test

import (
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/callctl/callctl/testbed/eightx8"
)

type object = map[string]any

// world is a fake, its API and a receiver that keeps every webhook.
type world struct {
	*eightx8.Fake

	t   *testing.T
	api *httptest.Server

	mu     sync.Mutex
	bodies []object
	came   chan object
}

func newWorld(t *testing.T, edit func(*eightx8.Config)) *world {
	t.Helper()
	w := &world{t: t, came: make(chan object, 100)}
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		raw, _ := io.ReadAll(r.Body)
		var body object
		if json.Unmarshal(raw, &body) != nil {
			t.Error("no JSON")
		}
		w.mu.Lock()
		w.bodies = append(w.bodies, body)
		w.mu.Unlock()
		w.came <- body
	}))
	t.Cleanup(receiver.Close)
	cfg := eightx8.Config{
		SubAccount: "acme_wa", Channel: "269a57f4", Key: "key", Authorization: "Basic c2VjcmV0", WebhookURL: receiver.URL,
		Account: "acme", WABA: "9504", Business: "6531234567",
	}
	if edit != nil {
		edit(&cfg)
	}
	var err error
	w.Fake, err = eightx8.New(cfg)
	require.NoError(t, err)
	w.api = httptest.NewServer(w.Handler())
	t.Cleanup(w.api.Close)
	t.Cleanup(func() { require.NoError(t, w.Close()) })
	return w
}

func (w *world) seen() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.bodies)
}

func (w *world) next() object {
	w.t.Helper()
	select {
	case body := <-w.came:
		return body
	case <-time.After(5 * time.Second):
		w.t.Fatal("no webhook")
		return nil
	}
}

// send sends a message and, when it is to fail, waits for the status that says
// so. A status that nobody expects is in the way of the next one.
func (w *world) send(body object, fails bool) (failed int, behind string) {
	w.t.Helper()
	body["user"] = object{"msisdn": user}
	raw, err := json.Marshal(body)
	require.NoError(w.t, err)
	status, answer := call(w.t, http.MethodPost, w.api.URL+"/api/v1/subaccounts/acme_wa/messages", "key", string(raw))
	require.Equal(w.t, 200, status)
	if !fails {
		return 0, ""
	}
	receipt := w.next()["payload"].(object)
	require.Equal(w.t, answer["umid"], receipt["umid"])
	said := receipt["status"].(object)
	require.Equal(w.t, "undelivered", said["state"])
	behind, _ = receipt["whatsapp"].(object)["providerErrorCode"].(string)
	return int(said["errorCode"].(float64)), behind
}

func request(name string) object {
	return object{"type": "template", "content": object{"template": object{"name": name, "language": "en_US"}}}
}

func (w *world) ask() object {
	w.t.Helper()
	_, answer := call(w.t, http.MethodGet, w.api.URL+
		"/api/v1/whatsapp/subaccounts/acme_wa/channels/269a57f4/callPermissions?destination=%2B6591234567", "key", "")
	return answer
}

func action(answer object, i int) object { return answer["actions"].([]any)[i].(object) }

func TestAccountEventsAreTheSamples(t *testing.T) {
	w := newWorld(t, nil)
	until := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	cases := []struct {
		sample string
		post   func() error
		edit   func(details object)
	}{
		{"account_update_restriction", func() error { return w.Restrict(t.Context(), eightx8.RestrictedBusiness, until) }, func(d object) {
			d["phoneNumber"] = "6531234567"
			d["restrictionInfo"] = []any{object{"restrictionType": "RESTRICTED_BUSINESS_INITIATED_CALLING", "expiration": "2030-01-02T03:04:05.00Z"}}
		}},
		{"account_update_restriction", func() error { return w.Restrict(t.Context(), eightx8.RestrictedBoth, time.Time{}) }, func(d object) {
			d["phoneNumber"] = "6531234567"
			d["restrictionInfo"] = []any{object{"restrictionType": "RESTRICTED_BIZ_INITIATED_AND_USER_INITIATED_CALLING"}}
		}},
		{"account_update_violation", func() error { return w.Violate(t.Context(), "LOW_BUSINESS_INITIATED_CALLING_QUALITY") }, func(d object) {
			d["phoneNumber"] = "6531234567"
			d["violationInfo"].(object)["violationType"] = "LOW_BUSINESS_INITIATED_CALLING_QUALITY"
		}},
		{"account_update_direct_send_warning", func() error { return w.DirectSend(t.Context(), "warning") }, func(object) {}},
		{"account_update_direct_send_unban", func() error { return w.DirectSend(t.Context(), "unban") }, func(object) {}},
		{"account_update_direct_send_strike", func() error { return w.DirectSend(t.Context(), "strike") }, func(object) {}},
		{"quality_throughput_upgrade_2026", func() error { return w.Quality(t.Context(), "DOWNGRADE", "TIER_250") }, func(d object) {
			d["displayPhoneNumber"] = "6531234567"
			d["meta"] = object{"event": "DOWNGRADE", "maxDailyConversationsPerBusiness": "TIER_250"}
		}},
		{"template_status_paused", func() error { return w.SetTemplate(t.Context(), "cpr", "en", "PAUSED") }, ofTemplate(nil)},
		{"template_status_rejected", func() error { return w.SetTemplate(t.Context(), "cpr", "en", "REJECTED") }, ofTemplate(nil)},
		{
			"template_quality", func() error { return w.TemplateQuality(t.Context(), "cpr", "en", "GREEN", "RED") },
			ofTemplate(object{"previousQualityScore": "GREEN", "newQualityScore": "RED"}),
		},
		{
			"template_category", func() error { return w.TemplateCategory(t.Context(), "cpr", "en", "UTILITY", "MARKETING") },
			ofTemplate(object{"previousCategory": "UTILITY", "newCategory": "MARKETING"}),
		},
		{
			"template_correct_category", func() error { return w.TemplateWarning(t.Context(), "cpr", "en", "UTILITY", "MARKETING") },
			ofTemplate(object{"category": "UTILITY", "correctCategory": "MARKETING"}),
		},
	}
	for _, c := range cases {
		t.Run(c.sample, func(t *testing.T) {
			require.NoError(t, c.post())
			got := w.next()
			raw, err := os.ReadFile("samples/" + c.sample + ".json")
			require.NoError(t, err)
			var want object
			require.NoError(t, json.Unmarshal(raw, &want))
			c.edit(want["eventDetails"].(object))
			require.NotEqual(t, want["eventId"], got["eventId"])
			want["eventId"], want["timestamp"] = got["eventId"], got["timestamp"]
			want["accountId"], want["businessAccountId"] = "acme", "9504"
			require.Equal(t, want, got)
		})
	}
	require.ErrorIs(t, w.SetTemplate(t.Context(), "cpr", "en", "LIMBO"), eightx8.ErrSample)
}

func ofTemplate(meta object) func(object) {
	return func(details object) {
		details["templateName"], details["templateLanguage"] = "cpr", "en"
		maps.Copy(details["meta"].(object), meta)
	}
}

func TestWhatWhatsAppRefusesComesAsAStatus(t *testing.T) {
	w := newWorld(t, nil)
	refused := func(body object, code int, behind string) {
		t.Helper()
		got, meta := w.send(body, code != 0)
		require.Equal(t, code, got)
		require.Equal(t, behind, meta)
	}
	refused(object{"type": "text", "content": object{"text": "Hello"}}, 1022, "131047")
	refused(request("cpr"), 0, "")
	refused(request("cpr"), 1053, "138009")
	w.UserCalls(user, true)
	refused(object{"type": "text", "content": object{"text": "Hello"}}, 0, "")
	refused(request("cpr"), 0, "") // a connected call resets the limit
	w.SetPermission(user, "permanent", time.Time{})
	refused(request("cpr"), 1052, "138017")
	w.SetPermission(user, "", time.Time{})
	require.NoError(t, w.Restrict(t.Context(), eightx8.RestrictedBothLong, time.Now().Add(time.Hour)))
	w.next()
	refused(request("cpr"), 15, "138014")
	w.Unrestrict()
	require.NoError(t, w.TemplateCategory(t.Context(), "news", "en", "UTILITY", "MARKETING"))
	w.next()
	require.NoError(t, w.Preference(t.Context(), user, "stop"))
	event := w.next()
	require.Equal(t, "whatsapp_preference", event["eventType"])
	change := event["eventDetails"].(object)["rawEvent"].(object)
	require.Equal(t, "user_preferences", change["field"])
	refused(request("news"), 1051, "131050")
	for code, behind := range map[int]string{1018: "131026", 1024: "131049"} {
		w.FailMessages(user, code)
		refused(request("cpr"), code, behind)
	}
}

func TestStatuses(t *testing.T) {
	w := newWorld(t, nil)
	w.SetKnobs(eightx8.Knobs{MessageStatuses: true})
	_, answer := call(t, http.MethodPost, w.api.URL+"/api/v1/subaccounts/acme_wa/messages", "key",
		`{"user":{"msisdn":"`+user+`"},"type":"template","content":{"template":{"name":"cpr","language":"en"}}}`)
	for _, state := range []string{"sent", "delivered"} {
		body := w.next()
		require.Equal(t, "outbound_message_status_changed", body["eventType"])
		require.InDelta(t, 9, body["version"], 0)
		payload := body["payload"].(object)
		require.Equal(t, answer["umid"], payload["umid"])
		require.Equal(t, state, payload["status"].(object)["state"])
		require.NotContains(t, payload["status"], "errorCode")
	}
}

// What 8x8 does not forward is known by asking only.
func TestAutomaticGrantsAndRevocationsAreSilent(t *testing.T) {
	w := newWorld(t, func(cfg *eightx8.Config) { cfg.Limits.CallsPerDay, cfg.Limits.Questions = 2, -1 })
	w.UserCalls(user, false)
	require.Equal(t, "not_granted", w.ask()["status"], "without callback permission a call grants nothing")
	require.Equal(t, 138006, w.Dial(user, true))
	w.SetKnobs(eightx8.Knobs{CallbackPermission: true})
	w.UserCalls(user, false)
	require.Equal(t, "temporary", w.ask()["status"])
	for range 3 {
		require.Zero(t, w.Dial(user, false))
	}
	require.Equal(t, "temporary", w.ask()["status"])
	require.Zero(t, w.Dial(user, true))
	for i := range 4 {
		require.Equal(t, "temporary", w.ask()["status"], i)
		require.Zero(t, w.Dial(user, false))
	}
	require.Equal(t, "not_granted", w.ask()["status"], "after four in a row")
	require.Zero(t, w.seen(), "and of all that no webhook")

	w.SetPermission(user, "permanent", time.Time{})
	require.Zero(t, w.Dial(user, true))
	require.Equal(t, 138012, w.Dial(user, true))
	start := action(w.ask(), 1)
	require.Equal(t, false, start["canPerformAction"])
	limit := start["limits"].([]any)[0].(object)
	require.InDelta(t, 2, limit["currentUsage"], 0)
	resets, err := time.Parse(time.RFC3339, limit["limitExpirationTime"].(string))
	require.NoError(t, err)
	require.WithinDuration(t, time.Now().Add(24*time.Hour), resets, 5*time.Second)
	w.SetCallsAvailable(false)
	require.Equal(t, 138013, w.Dial(user, true))
	w.SetCallsAvailable(true)
	require.NoError(t, w.Restrict(t.Context(), eightx8.RestrictedBusiness, time.Now().Add(time.Hour)))
	require.Equal(t, 138014, w.Dial(user, true))
	require.Equal(t, "permanent", w.ask()["status"], "grants stay")
	require.Equal(t, false, action(w.ask(), 0)["canPerformAction"])
}

func TestQuestionsAreLimited(t *testing.T) {
	w := newWorld(t, nil)
	for range 5 {
		require.Equal(t, "not_granted", w.ask()["status"])
	}
	require.InDelta(t, 1009, w.ask()["code"], 0)
	time.Sleep(250 * time.Millisecond)
	require.Equal(t, "not_granted", w.ask()["status"])
	w.FailNext("callPermissions", 1, eightx8.Fault{Status: 503, Code: 1000, Message: "Down", RetryAfter: time.Minute})
	require.InDelta(t, 1000, w.ask()["code"], 0)
}

func TestSandboxLimits(t *testing.T) {
	w := newWorld(t, func(cfg *eightx8.Config) { cfg.Limits = eightx8.SandboxLimits() })
	for range 25 {
		w.send(request("cpr"), false)
	}
	failed, _ := w.send(request("cpr"), true)
	require.Equal(t, 1053, failed)
	require.InDelta(t, 25, action(w.ask(), 0)["limits"].([]any)[0].(object)["maxAllowed"], 0)
}

func TestVersion3NamesUsersByTheirID(t *testing.T) {
	w := newWorld(t, nil)
	const bsuid = "SG.13491208655302741918"
	w.SetKnobs(eightx8.Knobs{Version: 3})
	w.SetIdentity(user, eightx8.Identity{UserID: bsuid, Username: "zoe"})
	require.NoError(t, w.Reply(t.Context(), user, true, false))
	body := w.next()
	require.InDelta(t, 3, body["version"], 0)
	require.Equal(t, object{"msisdn": user, "channelUserId": bsuid, "username": "zoe"}, body["payload"].(object)["user"])
	w.SetIdentity(user, eightx8.Identity{UserID: bsuid, HideNumber: true})
	require.NoError(t, w.Tap(t.Context(), user, "Allow calls", "allow"))
	payload := w.next()["payload"].(object)
	require.Equal(t, object{"channelUserId": bsuid}, payload["user"])
	require.Equal(t, "button_reply", payload["content"].(object)["interactive"].(object)["type"])
	_, answer := call(t, http.MethodGet, w.api.URL+
		"/api/v1/whatsapp/subaccounts/acme_wa/channels/269a57f4/callPermissions?destination="+bsuid, "key", "")
	require.Equal(t, "temporary", answer["status"])
	status, _ := call(t, http.MethodPost, w.api.URL+"/api/v1/subaccounts/acme_wa/messages", "key",
		`{"user":{"channelUserId":"`+bsuid+`"},"type":"template","content":{"template":{"name":"cpr","language":"en"}}}`)
	require.Equal(t, 200, status)
	require.NoError(t, w.ChangeUserID(t.Context(), user, "SG.2"))
	event := w.next()
	require.Equal(t, "whatsapp_user_id_update", event["eventType"])
	change := event["eventDetails"].(object)["rawEvent"].(object)["value"].(object)["user_id_update"].([]any)[0].(object)
	require.Equal(t, object{"previous": bsuid, "current": "SG.2"}, change["user_id"])
}

func TestOutage(t *testing.T) {
	for _, c := range []struct {
		length time.Duration
		lost   int
	}{{130 * time.Second, 0}, {132 * time.Second, 3}} {
		w := newWorld(t, nil)
		w.SetKnobs(eightx8.Knobs{Reorder: func(all []json.RawMessage) []json.RawMessage {
			slices.Reverse(all)
			return all
		}})
		lost, err := w.Outage(t.Context(), c.length, func() error {
			for i := range 3 {
				if _, err := w.Text(t.Context(), user, strconv.Itoa(i)); err != nil {
					return err
				}
			}
			require.Zero(t, w.seen())
			return nil
		})
		require.NoError(t, err)
		require.Equal(t, c.lost, lost)
		require.Equal(t, 3-c.lost, w.seen())
		if c.lost == 0 {
			require.Equal(t, "2", w.next()["payload"].(object)["content"].(object)["text"])
		}
	}
}

func TestKnobs(t *testing.T) {
	w := newWorld(t, nil)
	w.SetKnobs(eightx8.Knobs{Duplicate: 2, Delay: 30 * time.Millisecond})
	began := time.Now()
	_, err := w.Text(t.Context(), user, "hello")
	require.NoError(t, err)
	require.GreaterOrEqual(t, time.Since(began), 30*time.Millisecond)
	first := w.next()
	require.Equal(t, first, w.next())
	require.Equal(t, first, w.next())
}

// The real schedule: a webhook is tried five times in 131 s. Closing ends it.
func TestCloseEndsRetries(t *testing.T) {
	n := 0
	receiver := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		n++
		rw.WriteHeader(http.StatusBadGateway)
	}))
	t.Cleanup(receiver.Close)
	f, err := eightx8.New(eightx8.Config{WebhookURL: receiver.URL})
	require.NoError(t, err)
	time.AfterFunc(1200*time.Millisecond, func() { _ = f.Close() })
	_, err = f.Text(t.Context(), user, "hello")
	require.ErrorIs(t, err, eightx8.ErrNotDelivered)
	require.Equal(t, 2, n, "at once and after a second")
}
