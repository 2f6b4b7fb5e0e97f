package permissions

// auditKind names the audit entry of each kind of event, "" for what is none.
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
	case Willing:
		return "permission.willing"
	case Expired:
		return "permission.expired"
	case Expiring:
		return "permission.expiring"
	case OptedOut:
		return "dnc.added"
	case OptOutLifted:
		return "dnc.lifted"
	default:
		return auditKindOfContact(k)
	}
}

// auditKindOfContact is auditKind for what is not about consent itself.
func auditKindOfContact(k EventKind) string {
	switch k {
	case Messaged:
		return "message.received"
	case Confirmed:
		return "message.confirmation_sent"
	case Delivered:
		return "message.delivery"
	case MessagesStopped:
		return "message.stopped"
	case MessagesResumed:
		return "message.resumed"
	case Attempted:
		return "call.attempted"
	case Settled:
		return "call.settled"
	case Called:
		return "call.received"
	case Reported:
		return "call.reported"
	case IDChanged:
		return "subject.id_changed"
	case Located:
		return "subject.located"
	default:
		return ""
	}
}
