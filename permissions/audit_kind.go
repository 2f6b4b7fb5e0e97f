package permissions

// auditKind names the audit entry of each kind of event.
func auditKind(k EventKind) string {
	switch k {
	case Requested:
		return "permission.requested"
	case Granted:
		return "permission.granted"
	case Declined:
		return "permission.declined"
	case Revoked:
		return "permission.revoked"
	case ReadBack:
		return "permission.read_back"
	case OptedOut:
		return "dnc.added"
	case OptOutLifted:
		return "dnc.lifted"
	case Messaged:
		return "message.received"
	case Confirmed:
		return "message.confirmation_sent"
	case Attempted:
		return "call.attempted"
	case Settled:
		return "call.settled"
	case Called:
		return "call.received"
	case Willing:
		return "permission.willing"
	case Reported:
		return "call.reported"
	case Delivered:
		return "message.delivery"
	case MessagesStopped:
		return "message.stopped"
	case MessagesResumed:
		return "message.resumed"
	case IDChanged:
		return "subject.id_changed"
	case Located:
		return "subject.located"
	case Expired:
		return "permission.expired"
	case Expiring:
		return "permission.expiring"
	}
	return ""
}
