package server

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/callctl/callctl/compliance/audit"
)

// metrics are the server's own; labels are bounded and never hold a number, an id
// or a URL.
type metrics struct {
	deliveries    *prometheus.CounterVec
	commitSeconds prometheus.Histogram
	requests      *prometheus.CounterVec
	seconds       *prometheus.HistogramVec
	decisions     *prometheus.CounterVec
	readBacks     *prometheus.CounterVec
	streams       prometheus.Gauge
}

func newMetrics(cfg Config) (*metrics, error) {
	m := &metrics{
		deliveries: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "callctl_webhook_deliveries_total",
			Help: "Provider webhook deliveries by what became of them.",
		}, []string{"provider", "result"}),
		commitSeconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "callctl_webhook_commit_seconds",
			Help:    "Time from a decoded delivery to its durable commit.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
		}),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "callctl_http_requests_total",
			Help: "HTTP requests by route pattern and status code.",
		}, []string{"route", "code"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "callctl_http_request_seconds",
			Help:    "Time to answer an HTTP request, by route pattern; event streams are left out.",
			Buckets: prometheus.DefBuckets,
		}, []string{"route"}),
		decisions: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "callctl_authorize_total",
			Help: "Decisions taken before a call or a permission request, by action, decision (allow or refuse) and reason.",
		}, []string{"action", "decision", "reason"}),
		readBacks: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "callctl_read_backs_total",
			Help: "Questions to a provider's permission query by why they were asked and what became of them: answered, limited, refused or failed.",
		}, []string{"why", "result"}),
		streams: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "callctl_event_streams",
			Help: "Open event streams.",
		}),
	}
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "callctl_build_info",
		Help: "Always 1; the labels say what runs.",
		ConstLabels: prometheus.Labels{
			"version": cfg.Version["version"], "commit": cfg.Version["commit"], "goversion": cfg.Version["go"],
		},
	})
	build.Set(1)
	for _, c := range []prometheus.Collector{
		m.deliveries, m.commitSeconds, m.requests, m.seconds, m.decisions, m.readBacks, m.streams, build,
		activeCalls{cfg.Bridge},
		&ledgerGauges{cfg: cfg},
		auditEntries(cfg.Log),
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	} {
		if err := cfg.Metrics.Register(c); err != nil {
			return nil, wrap("register metrics", err)
		}
	}
	return m, nil
}

// activeCalls counts the live calls when it is scraped.
type activeCalls struct{ bridge Bridge }

// Describe implements prometheus.Collector.
func (c activeCalls) Describe(ch chan<- *prometheus.Desc) { ch <- activeCallsDesc() }

// Collect implements prometheus.Collector.
func (c activeCalls) Collect(ch chan<- prometheus.Metric) {
	counts := map[string]int{"BUSINESS_INITIATED": 0, "USER_INITIATED": 0}
	if c.bridge != nil {
		for _, l := range c.bridge.Live() {
			counts[string(l.Direction)]++
		}
	}
	for direction, n := range counts {
		ch <- prometheus.MustNewConstMetric(activeCallsDesc(), prometheus.GaugeValue, float64(n), direction)
	}
}

func activeCallsDesc() *prometheus.Desc {
	return prometheus.NewDesc("callctl_calls_active", "Calls that have not ended.", []string{"direction"}, nil)
}

// auditEntries reads the size of the log when it is scraped.
func auditEntries(log *audit.Log) prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "callctl_audit_entries",
		Help: "Entries in the audit log.",
	}, func() float64 { return float64(log.Size()) })
}
