package handset

import (
	"net/netip"
	"strings"

	"github.com/pion/stun/v4"
)

// Attribute types of RFC 8445 section 16.1.
const (
	attributeUseCandidate  stun.AttrType = 0x0025
	attributeICEControlled stun.AttrType = 0x8029
)

// connectivityCheck answers a Binding request as an ICE-lite agent does (RFC 8445
// section 7.3): it checks the credentials, answers, and takes the pair that the
// controlling side nominates. Requests that do not authenticate get no answer,
// so that a wrong password shows as a call that does not connect.
func (h *Handset) connectivityCheck(raw []byte, from netip.AddrPort) {
	request := &stun.Message{Raw: raw}
	if request.Decode() != nil || request.Type != stun.BindingRequest {
		return
	}
	integrity := stun.NewShortTermIntegrity(h.pwd)
	var username stun.Username
	if username.GetFrom(request) != nil || !strings.HasPrefix(username.String(), h.ufrag+":") ||
		integrity.Check(request) != nil || stun.Fingerprint.Check(request) != nil {
		return
	}
	outcome := []stun.Setter{
		stun.BindingSuccess,
		&stun.XORMappedAddress{IP: from.Addr().Unmap().AsSlice(), Port: int(from.Port())},
	}
	if request.Contains(attributeICEControlled) {
		h.conflicts.Add(1)
		outcome = []stun.Setter{stun.BindingError, stun.CodeRoleConflict}
	}
	response, err := stun.Build(append(
		append([]stun.Setter{stun.NewTransactionIDSetter(request.TransactionID)}, outcome...),
		integrity, stun.Fingerprint)...)
	if err != nil {
		return
	}
	if _, err := h.socket.WriteToUDPAddrPort(response.Raw, from); err != nil {
		return
	}
	if response.Type == stun.BindingSuccess && request.Contains(attributeUseCandidate) {
		if h.nominatedTo.Swap(&from) == nil {
			close(h.nominated)
		}
	}
}
