package provider_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/callctl/callctl/compliance/audit"
	"github.com/callctl/callctl/geo"
	"github.com/callctl/callctl/migrations"
	"github.com/callctl/callctl/permissions"
	"github.com/callctl/callctl/provider"
	"github.com/callctl/callctl/provider/eightx8"
	"github.com/callctl/callctl/provider/meta"
)

const (
	numberOfMeta = geo.E164("+15551441906")
	numberOf8x8  = geo.E164("+6531234567")
)

// accounts are the ways to read the samples: those of the 8x8 pages name several
// business numbers and channels.
func accounts(t *testing.T) map[string][]provider.Provider {
	t.Helper()
	m, err := meta.New(meta.Config{
		Name: "meta", Business: numberOfMeta, PhoneNumberID: "518638374672395", Token: "t",
		AppSecret: "0123456789abcdef", VerifyToken: "0123456789abcdef", Now: noon,
	})
	require.NoError(t, err)
	all := map[string][]provider.Provider{"meta": {m}}
	for _, number := range []geo.E164{numberOf8x8, "+16505552771", "+15550783881"} {
		for _, channel := range []string{"4b2ba2df-deb0-4c29-8ba5-a266672daf49", "269a57f4-3522-eb11-8278-00155d9f27ac"} {
			a, err := eightx8.New(eightx8.Config{
				Name: "8x8 " + string(number), Business: number, SubAccount: "SubAccount-1", Channel: channel,
				Key: "k", Authorization: "Basic 0123456789abcdef", Now: noon,
			})
			require.NoError(t, err)
			all["eightx8"] = append(all["eightx8"], a)
		}
	}
	return all
}

func noon() time.Time { return time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC) }

func ledger(t *testing.T) (*permissions.Ledger, *audit.Log) {
	t.Helper()
	db, err := migrations.Open(t.Context(), filepath.Join(t.TempDir(), "callctl.db"))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	log, err := audit.New(t.Context(), audit.Config{Write: db.Write, Read: db.Read, Dir: t.TempDir(), Origin: "callctl/test", Now: noon})
	require.NoError(t, err)
	rules, err := geo.Load()
	require.NoError(t, err)
	businesses := []permissions.Business{{Number: numberOfMeta, Account: "meta", Rules: "meta"}}
	for _, number := range []geo.E164{numberOf8x8, "+16505552771", "+15550783881"} {
		businesses = append(businesses, permissions.Business{Number: number, Account: "8x8 " + string(number), Rules: "8x8-strict", Silent: true})
	}
	l, err := permissions.New(permissions.Config{Log: log, Read: db.Read, Geo: rules, Now: noon, Businesses: businesses})
	require.NoError(t, err)
	return l, log
}

// The ledger takes whatever the providers' samples become, once: nothing that a
// provider is known to send is quarantined.
func TestLedgerTakesEverySample(t *testing.T) {
	l, log := ledger(t)
	for folder, readers := range accounts(t) {
		var files []string
		for _, pattern := range []string{"*.json", "*/*.json", "*/*/*.json"} {
			found, err := filepath.Glob(filepath.Join(folder, "testdata", pattern))
			require.NoError(t, err)
			files = append(files, found...)
		}
		read := 0
		for _, file := range files {
			if kind := filepath.Base(filepath.Dir(file)); kind == "answers" || kind == "requests" || kind == "fuzz" {
				continue
			}
			raw, err := os.ReadFile(file)
			require.NoError(t, err)
			said := decoded(t, readers, file, raw)
			require.Empty(t, said.Unknown, file)
			err = log.Update(t.Context(), func(ctx context.Context, tx *audit.Tx) error { return record(ctx, tx, l, said, false) })
			require.NoError(t, err, file)
			err = log.Update(t.Context(), func(ctx context.Context, tx *audit.Tx) error { return record(ctx, tx, l, said, true) })
			require.NoError(t, err, file)
			read++
		}
		require.Greater(t, read, 30, folder)
	}
}

// decoded is what the first account that the sample is for reads in it.
func decoded(t *testing.T, readers []provider.Provider, file string, raw []byte) provider.Delivery {
	t.Helper()
	for _, p := range readers {
		auth := permissions.AuthBearer
		if _, signed := p.(*meta.Account); signed {
			auth = permissions.AuthHMAC
		}
		said, err := p.Decode(raw, auth)
		if !errors.Is(err, provider.ErrWrongAccount) {
			require.NoError(t, err, file)
			return said
		}
	}
	require.Fail(t, "a sample of nobody's", file)
	return provider.Delivery{}
}

var errNews = errors.New("a repetition is news")

func record(ctx context.Context, tx *audit.Tx, l *permissions.Ledger, said provider.Delivery, again bool) error {
	fresh, err := l.RecordTx(ctx, tx, said.Facts...)
	if err != nil {
		return err
	}
	told, err := l.RecordNotices(ctx, tx, said.Notices...)
	if err != nil {
		return err
	}
	if again && fresh+told > 0 {
		return errNews
	}
	return nil
}

// Samples end as the pages say: a restriction bars the number, the Direct Send
// notices set and lift none, and a paused template is known as such.
func TestNoticesReachTheNumber(t *testing.T) {
	l, log := ledger(t)
	a := accounts(t)["meta"][0]
	until := noon().Add(time.Hour).Unix()
	for _, value := range []string{
		`{"field":"account_update","value":{"phone_number":"15551441906","event":"ACCOUNT_RESTRICTION",
			"restriction_info":[{"restriction_type":"RESTRICTED_BUSINESS_INITIATED_CALLING","expiration":` + jsonOf(t, until) + `}]}}`,
		`{"field":"account_update","value":{"event":"ACCOUNT_RESTRICTION","violation_info":{"violation_type":"DIRECT_SEND_UTILITY_CATEGORY_ABUSE_UNBAN"}}}`,
		`{"field":"message_template_status_update","value":{"event":"PAUSED","message_template_name":"cpr","message_template_language":"en-US","reason":"NONE"}}`,
	} {
		said, err := a.Decode([]byte(`{"object":"whatsapp_business_account","entry":[{"id":"0","time":1767168000,"changes":[`+value+`]}]}`), permissions.AuthHMAC)
		require.NoError(t, err)
		err = log.Update(t.Context(), func(ctx context.Context, tx *audit.Tx) error { return record(ctx, tx, l, said, false) })
		require.NoError(t, err)
	}
	state, err := l.Number(t.Context(), numberOfMeta)
	require.NoError(t, err)
	require.Len(t, state.Restrictions, 1)
	require.Equal(t, permissions.RestrictedBusinessInitiated, state.Restrictions[0].Type)
	require.Equal(t, until, state.Restrictions[0].Until.Unix())
	require.Len(t, state.Templates, 1)
	require.Equal(t, "cpr/en_US", state.Templates[0].Name)
	require.Equal(t, "PAUSED", state.Templates[0].Status)
}

func jsonOf(t *testing.T, v any) string {
	t.Helper()
	raw, err := json.Marshal(v)
	require.NoError(t, err)
	return string(raw)
}
