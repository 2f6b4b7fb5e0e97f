package server

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/callctl/callctl/permissions"
)

// gaugesTimeout bounds what a scrape may read; what was not read in time is left
// out of it.
const gaugesTimeout = 2 * time.Second

// ledgerGauges reads what waits for a person when it is scraped.
type ledgerGauges struct{ cfg Config }

// Describe implements prometheus.Collector.
func (g *ledgerGauges) Describe(ch chan<- *prometheus.Desc) {
	ch <- restrictedDesc()
	ch <- driftDesc()
	ch <- approvalsDesc()
	ch <- keptDesc()
}

// Collect implements prometheus.Collector.
func (g *ledgerGauges) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), gaugesTimeout)
	defer cancel()
	g.numbers(ctx, ch)
	g.approvals(ctx, ch)
	g.deliveries(ctx, ch)
}

// restrictions are the label's words for the platform's, which are its own to
// change: what is not known is other.
func restrictions() map[string]string {
	return map[string]string{
		permissions.RestrictedBusinessInitiated: "business_initiated",
		permissions.RestrictedUserInitiated:     "user_initiated",
		permissions.CallButtonHidden:            "call_button",
	}
}

func (g *ledgerGauges) numbers(ctx context.Context, ch chan<- prometheus.Metric) {
	for _, a := range g.cfg.Accounts {
		n, err := g.cfg.Ledger.Number(ctx, a.Business)
		if err != nil {
			continue // the number is in no rule pack, or the database is busy
		}
		in := map[string]float64{"business_initiated": 0, "user_initiated": 0, "call_button": 0, "other": 0}
		for _, r := range n.Restrictions {
			in[orElse(restrictions()[r.Type], "other")] = 1
		}
		for kind, v := range in {
			ch <- prometheus.MustNewConstMetric(restrictedDesc(), prometheus.GaugeValue, v, a.Name, kind)
		}
		ch <- prometheus.MustNewConstMetric(driftDesc(), prometheus.GaugeValue, float64(len(n.Drift)), a.Name)
	}
}

// approvals counts the pending ones; more than a thousand are counted as that.
func (g *ledgerGauges) approvals(ctx context.Context, ch chan<- prometheus.Metric) {
	pending, _, err := g.cfg.Ledger.Approvals(ctx, true, permissions.Page{Limit: 1000})
	if err == nil {
		ch <- prometheus.MustNewConstMetric(approvalsDesc(), prometheus.GaugeValue, float64(len(pending)))
	}
}

func (g *ledgerGauges) deliveries(ctx context.Context, ch chan<- prometheus.Metric) {
	for _, a := range g.cfg.Accounts {
		for _, state := range []deliveryState{stateUnknown, stateMalformed, stateQuarantined} {
			var n int64
			if err := g.cfg.Read.QueryRowContext(ctx, sqlDeliveryCount, a.Name, string(state)).Scan(&n); err == nil {
				ch <- prometheus.MustNewConstMetric(keptDesc(), prometheus.GaugeValue, float64(n), a.Name, string(state))
			}
		}
	}
}

func restrictedDesc() *prometheus.Desc {
	return prometheus.NewDesc("callctl_number_restricted",
		"1 while the platform restricts the account's number, by what it restricts: business_initiated, user_initiated, call_button or other.",
		[]string{"account", "restriction"}, nil)
}

func driftDesc() *prometheus.Desc {
	return prometheus.NewDesc("callctl_provider_limit_drifts",
		"Limits of the provider's that differ from the rule pack's.", []string{"account"}, nil)
}

func approvalsDesc() *prometheus.Desc {
	return prometheus.NewDesc("callctl_approvals_pending",
		"Changes that wait for a second person; more than 1000 are counted as 1000.", nil, nil)
}

func keptDesc() *prometheus.Desc {
	return prometheus.NewDesc("callctl_webhook_deliveries_kept",
		"Provider webhook deliveries that were not taken in whole and wait for a person, by state: unknown, malformed or quarantined.",
		[]string{"account", "state"}, nil)
}
