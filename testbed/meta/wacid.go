package meta

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"strings"
)

// Directions of a call.
const (
	BusinessInitiated = "BUSINESS_INITIATED"
	UserInitiated     = "USER_INITIATED"
)

// mintWacid makes a call id in the layout of Meta's samples (as decoded, no page
// describes it): user digits, direction, 32 hex characters, business digits.
func mintWacid(user, business, direction string) string {
	kind := byte(0x11)
	if direction == UserInitiated {
		kind = 0x12
	}
	var random [16]byte
	_, _ = rand.Read(random[:]) // crypto/rand.Read never fails
	b := digitsField(nil, user)
	b = append(b, 0x15, 0x02, 0x00, kind, 0x18, 0x20)
	b = append(b, strings.ToUpper(hex.EncodeToString(random[:]))...)
	b = digitsField(b, business)
	b = append(b, 0x15, 0x02, 0x00)
	b = append(b, 0x00)
	return "wacid." + base64.StdEncoding.EncodeToString(b)
}

func digitsField(b []byte, digits string) []byte {
	return append(append(b, 0x1c, 0x18, byte(len(digits))), digits...)
}

// mintWamid makes a message id.
func mintWamid() string {
	var random [24]byte
	_, _ = rand.Read(random[:]) // crypto/rand.Read never fails
	return "wamid." + base64.StdEncoding.EncodeToString(random[:])
}
