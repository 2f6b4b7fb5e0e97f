package sipbridge

import (
	"context"
	"time"
)

// end ends the call, whatever its state: both legs at once, then the media. The
// first cause stands.
func (c *call) end(cause Cause) {
	if c.ending != nil {
		return
	}
	c.ending = &cause
	c.at.ended = c.now()
	c.setState(stateEnding)
	for name := range c.timers {
		c.stop(name)
	}
	if c.pbx != nil {
		c.pbx.hangUp(cause)
	}
	c.closeCarrier()
	c.stopMedia()
	c.lingering = true
	c.after("linger", linger, func() { c.lingering = false })
	c.b.log.Info("call ending", "call", c.id, "cause", cause.Word, "ended_by", cause.EndedBy)
}

// settle writes the record of an ended call once its figures stand, and lets the
// loop go on until the legs are gone.
func (c *call) settle() {
	if c.ending == nil || c.media.running {
		return
	}
	c.media.close()
	c.stopRecording()
	if c.writing || c.carrier.connecting || c.recorded.running {
		return
	}
	pbxOpen := c.pbx != nil && !c.pbx.finished()
	if c.lingering && (pbxOpen || !c.carrier.closed) {
		return
	}
	c.writing = true
	cdr := c.cdr()
	called := c.userCall(cdr)
	c.spawn(func() {
		c.store(cdr, called)
		c.post(func() { c.written = true })
	})
}

// recordTries and recordWait bound the repetitions when the record of a call
// cannot be written.
const (
	recordTries = 6
	recordWait  = 100 * time.Millisecond
)

// store writes the record, again and again for a while when the database
// refuses, then tells who asked for the call.
func (c *call) store(cdr CDR, called *UserCall) {
	wait := recordWait
	for try := 1; ; try++ {
		err := c.b.write(c.ctx, cdr, c.ticket, called)
		if err == nil {
			break
		}
		if try == recordTries {
			c.b.log.Error("CALL RECORD LOST: the attempt stays open until the next start", "call", c.id, "error", err)
			break
		}
		c.b.log.Error("call record not written; trying again", "call", c.id, "try", try, "error", err)
		time.Sleep(wait)
		wait *= 2
	}
	c.mu.Lock()
	c.over = true
	c.mu.Unlock()
	if c.b.cfg.OnEnded != nil {
		c.b.cfg.OnEnded(cdr)
	}
	if c.done != nil {
		c.done(Result{CallID: c.id, Outcome: cdr.Outcome, Cause: cdr.Cause})
	}
}

// abandon settles the attempt of a call that could not be started.
func (c *call) abandon() error {
	cause := causeOf(CauseShutdown)
	c.ending = &cause
	c.at.ended = c.now()
	return c.b.write(context.WithoutCancel(c.ctx), c.cdr(), c.ticket, nil)
}

func (c *call) cdr() CDR {
	cdr := CDR{
		ID: c.id, Account: c.account.Name, Direction: c.direction, Business: c.account.Business, User: c.user,
		Agent: c.agent, CallbackID: c.callback, Purpose: c.purpose, Wacid: c.wacid,
		StartedAt: c.at.started, UserRingingAt: c.at.userRinging, UserAnswered: c.at.userAnswered,
		AgentAnswered: c.at.agentAnswered, MediaUpAt: c.at.mediaUp, BridgedAt: c.at.bridged, EndedAt: c.at.ended,
		Disposition: c.ending.Disposition, Outcome: c.ending.Outcome, EndedBy: c.ending.EndedBy, Cause: c.ending.Word,
		SIPStatus: c.status, ProviderCodes: c.codes, MetaDuration: c.duration.Seconds(), DecisionIndex: -1,
		Recordings: c.recorded.files, RecordingFailed: c.recorded.failed,
	}
	if c.pbx != nil {
		cdr.SIPCallID = c.pbx.sipCallID()
	}
	if c.ticket != nil {
		cdr.DecisionIndex = c.ticket.DecisionIndex()
	}
	if !c.at.userAnswered.IsZero() {
		cdr.Outcome = outcomeConnected
	}
	if !c.at.bridged.IsZero() {
		cdr.Disposition = answered
	}
	cdr.WhatsApp, cdr.PBX = c.media.stats()
	return cdr
}

// userCall is what the ledger hears of a user's call; nil for ours.
func (c *call) userCall(cdr CDR) *UserCall {
	if c.direction != UserInitiated {
		return nil
	}
	return &UserCall{
		Account: c.account.Name, Business: c.account.Business, User: c.user, CallID: c.id, Wacid: c.wacid,
		At: c.at.started, Connected: cdr.Outcome == outcomeConnected,
	}
}
