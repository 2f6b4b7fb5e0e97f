package meta

import (
	"strconv"
	"time"

	"golang.org/x/time/rate"
)

// Fault is an answer that the fake gives instead of its own.
type Fault struct {
	Status     int // HTTP
	Code       int
	Message    string
	RetryAfter time.Duration // in the header Retry-After, whole seconds
}

// FailNext answers the next n requests to an edge (messages, calls,
// call_permissions, settings) with fault.
func (f *Fake) FailNext(edge string, n int, fault Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for range n {
		f.faults[edge] = append(f.faults[edge], fault)
	}
}

// faultOf takes the next fault of an edge, nil when there is none.
func (f *Fake) faultOf(edge string) *graphError {
	f.mu.Lock()
	defer f.mu.Unlock()
	waiting := f.faults[edge]
	if len(waiting) == 0 {
		return nil
	}
	next := waiting[0]
	f.faults[edge] = waiting[1:]
	e := refusal(next.Status, next.Code, next.Message, "")
	e.retryAfter = next.RetryAfter
	return e
}

// seconds is the header Retry-After.
func seconds(d time.Duration) string { return strconv.Itoa(int(d / time.Second)) }

// questions bounds call_permissions; nil for no bound.
func questions(perSecond int) *rate.Limiter {
	if perSecond < 0 {
		return nil
	}
	return rate.NewLimiter(rate.Limit(perSecond), perSecond)
}

// tooOften is Meta's answer to more questions than it takes.
func (f *Fake) tooOften() *graphError {
	if f.questions == nil || f.questions.Allow() {
		return nil
	}
	return refusal(429, 613, "(#613) Calls to this api have exceeded the rate limit", "")
}

// SandboxLimits are the limits of sandbox accounts and public test numbers: 25
// requests a day and 100 a week, and the permission is revoked after 10 unanswered
// calls.
func SandboxLimits() Limits {
	return Limits{RequestsPerDay: 25, RequestsPerWeek: 100, Unanswered: 10}
}
