package provider

import (
	"strconv"

	"github.com/callctl/callctl/permissions"
)

// quality reads phone_number_quality_update. Meta counts its limit for the whole
// business portfolio since 2025-10 and says it in
// max_daily_conversations_per_business; the limit of the number is older.
func (r *Reader) quality(base permissions.Notice, said Members) {
	said = said.With("meta")
	if base.Event = Word(said.Scalar("event")); base.Event == "" {
		r.Malformed("phone_number_quality_update.event")
		return
	}
	base.Kind = permissions.Quality
	base.Tier = tier(said.Scalar("max_daily_conversations_per_business", "current_limit"))
	r.Notice(base)
}

// capability is the tier in business_capability_update.
func capability(said Members) string {
	said = said.With("meta")
	return tier(said.Scalar("max_daily_conversations_per_business", "max_daily_conversation_per_business",
		"max_daily_conversations_per_phone", "max_daily_conversation_per_phone"))
}

// unlimited is the number from which on a limit is none.
const unlimited = 1_000_000

// tier is a limit in Meta's words: TIER_250, TIER_2K, TIER_UNLIMITED. Older
// webhooks give a number, -1 for no limit.
func tier(s Scalar) string {
	n, err := s.Int()
	switch {
	case err != nil:
		return Word(s)
	case n < 0, n >= unlimited:
		return "TIER_UNLIMITED"
	case n >= 1000 && n%1000 == 0:
		return "TIER_" + strconv.FormatInt(n/1000, 10) + "K"
	}
	return "TIER_" + strconv.FormatInt(n, 10)
}
