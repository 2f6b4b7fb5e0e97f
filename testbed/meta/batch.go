package meta

import (
	"context"
	"strconv"
	"time"
)

// MaxBatch is how many updates Meta puts into one POST at most.
const MaxBatch = 1000

// Batch is many updates of one POST: n accepted permission requests of as many
// users, whose numbers count up from first, every poison-th (0 for none) broken in
// one of the ways that real webhooks were. It returns the digits of the users
// whose reply is sound.
func (f *Fake) Batch(n, poison int, first int64) (webhooks []Webhook, sound []string) {
	broken := 0
	for i := range n {
		digits := strconv.FormatInt(first+int64(i), 10)
		w := f.accepted(digits)
		if poison > 0 && i%poison == poison-1 {
			w = f.poison(w, broken)
			broken++
		} else {
			sound = append(sound, digits)
		}
		webhooks = append(webhooks, w)
	}
	return webhooks, sound
}

// PostMany posts a Batch of n, every poison-th broken, in one signed POST and
// returns the digits of the users whose reply is sound. The users hold the
// permission.
func (f *Fake) PostMany(ctx context.Context, n, poison int, first int64) (sound []string, err error) {
	webhooks, sound := f.Batch(n, poison, first)
	return sound, f.post(ctx, webhooks...)
}

func (f *Fake) accepted(digits string) Webhook {
	reply := map[string]any{"response_source": "user_action"}
	f.mu.Lock()
	f.grant(f.user(digits), reply, time.Now(), false)
	f.mu.Unlock()
	return f.replyOf(digits, reply, "")
}

// poisons is how many ways there are to break a reply.
const poisons = 9

// poison breaks a reply in the kind-th way.
func (f *Fake) poison(w Webhook, kind int) Webhook {
	value, _ := w.Value.(map[string]any)
	list, _ := value["messages"].([]any)
	message, _ := list[0].(map[string]any)
	interactive, _ := message["interactive"].(map[string]any)
	reply, _ := interactive["call_permission_reply"].(map[string]any)
	switch kind % poisons {
	case 0:
		reply["expiration_timestamp"] = "soon"
	case 1:
		message["timestamp"] = "yesterday"
	case 2:
		reply["response"] = "perhaps"
	case 3:
		delete(message, "id")
	case 4:
		message["from"] = "12"
		delete(value, "contacts")
	case 5:
		value["messages"] = []any{"a text where an object belongs"}
	case 6:
		value["messages"] = map[string]any{"an object": "where a list belongs"}
	case 7:
		value["metadata"] = map[string]any{"phone_number_id": "999999999999999"}
	default:
		return Webhook{Field: w.Field, Value: nil}
	}
	return w
}
