package geo

import "strings"

// Lengths with the plus of the numbers that have two forms.
const (
	mexico    = len("+525512345678")
	argentina = len("+541158749895")
	brazil    = len("+551187654321")
	west      = len("+22545123456") // Côte d'Ivoire and Benin, before they had ten digits
)

// Forms are all forms in which WhatsApp and numbering plans write one subscriber.
// The number itself is the first; a number of another country is alone. Forms are
// symmetric, and every form is its own canonical form under [Parse].
//
//   - Mexico: with and without a 1 after +52. The plan of 2019-08-03 abolished the
//     1 of mobiles; WhatsApp ids of older accounts keep it ("521…").
//   - Argentina: with and without a 9 after +54. Called from abroad a mobile has
//     the 9, at home it has 15 after the area code instead, which Parse reads as the
//     9; WhatsApp ids have the 9, its sandbox and some senders drop it. Fixed and
//     mobile lines share one plan of ten digits, so both forms are one subscriber.
//   - Brazil: mobiles with and without the ninth digit, a 9 before the eight. It was
//     introduced from 2012 (area code 11) to 2016-11; WhatsApp ids of accounts from
//     before keep eight digits, by and large outside the area codes 11 to 19, 21, 22,
//     24, 27 and 28, where ids have nine, but not by a rule that holds for each
//     account. The eight digits of a mobile begin with 6 to 9; with 2 to 5 they are a
//     fixed line, which has no ninth digit.
//   - Côte d'Ivoire: mobiles with and without the operator's 01, 05 or 07, which was put
//     before the eight digits on 2021-01-31. Which one it was, the second of the eight
//     tells (0 to 3, 4 to 6, 7 to 9). WhatsApp kept the ids of older accounts, and
//     libphonenumber takes them for too short.
//   - Benin: with and without the 01 that was put before all numbers on 2024-11-30.
//
// Sources: Zoko, "Inconsistencies for mobile numbers and their WhatsApp IDs in
// Brazil and Mexico" (zoko.io/learning-article/whatsapp-id-brazil-mexico); Green API,
// "Features of sending and receiving messages from different countries"
// (green-api.com/en/docs/faq); github.com/wwebjs/whatsapp-web.js, issue 596;
// github.com/devlikeapro/waha, issue 1894 (Côte d'Ivoire); the plan of ARTCI in
// github.com/aurellemeless/cipnn; fr.allafrica.com/stories/202411300249.html (Benin);
// google/libphonenumber, metadata of AR, BR and MX.
func Forms(n E164) []E164 {
	if other := otherForm(n); other != "" {
		return []E164{n, other}
	}
	return []E164{n}
}

// otherForm is the second form of a subscriber's number, "" when there is none.
func otherForm(n E164) E164 {
	switch {
	case strings.HasPrefix(string(n), "+52"):
		return otherMX(n)
	case strings.HasPrefix(string(n), "+54"):
		return otherAR(string(n))
	case strings.HasPrefix(string(n), "+55"):
		return otherBR(string(n))
	case strings.HasPrefix(string(n), "+225"), strings.HasPrefix(string(n), "+229"):
		return otherWest(n)
	}
	return ""
}

func otherMX(n E164) E164 {
	if len(n) == mexico && areaMX(n[3]) {
		return "+521" + n[3:]
	}
	if plan := planForm(n); plan != n {
		return plan
	}
	return ""
}

func otherAR(s string) E164 {
	switch {
	case len(s) == argentina && areaAR(s[3]):
		return E164("+549" + s[3:])
	case len(s) == argentina+1 && s[3] == '9' && areaAR(s[4]):
		return E164("+54" + s[4:])
	}
	return ""
}

func otherBR(s string) E164 {
	switch {
	case len(s) < brazil || !areaBR(s):
	case len(s) == brazil && mobileBR(s[5]):
		return E164(s[:5] + "9" + s[5:])
	case len(s) == brazil+1 && s[5] == '9' && mobileBR(s[6]):
		return E164(s[:5] + s[6:])
	}
	return ""
}

// otherWest drops the two digits of Côte d'Ivoire and Benin if adding them gives
// the number back, or adds them.
func otherWest(n E164) E164 {
	if plan := planForm(n); plan != n {
		return plan
	}
	if len(n) == west+2 {
		if old := n[:4] + n[6:]; planForm(old) == n {
			return old
		}
	}
	return ""
}

// planForm is the form of a number that its country's plan knows today: without
// the 1 that Mexican mobiles had, and with the two digits that numbers of Côte
// d'Ivoire and Benin had not.
func planForm(n E164) E164 {
	s := string(n)
	switch {
	case len(s) == mexico+1 && strings.HasPrefix(s, "+521") && areaMX(s[4]):
		return E164("+52" + s[4:])
	case len(s) == west && strings.HasPrefix(s, "+225"):
		return E164(s[:4] + operatorCI(s[4], s[5]) + s[4:])
	case len(s) == west && strings.HasPrefix(s, "+229") && s[4] >= '2':
		return E164(s[:4] + "01" + s[4:])
	}
	return n
}

// operatorCI is what the operator of a mobile of Côte d'Ivoire put before its eight
// digits, by the first two of them; "" when these are no mobile's.
func operatorCI(first, second byte) string {
	switch {
	case first >= '1' && first <= '3', first == '0' && second == '0':
		return ""
	case second <= '3':
		return "01"
	case second <= '6':
		return "05"
	}
	return "07"
}

// areaMX says whether a Mexican area code can begin with the digit.
func areaMX(d byte) bool { return d >= '2' && d <= '9' }

// areaAR says whether an Argentine area code can begin with the digit: 11, 2xx(x)
// and 3xx(x).
func areaAR(d byte) bool { return d >= '1' && d <= '3' }

// areaBR says whether a Brazilian number has an area code: two digits without zero.
func areaBR(s string) bool { return s[3] != '0' && s[4] != '0' }

// mobileBR says whether the eight digits of a Brazilian mobile can begin so.
func mobileBR(d byte) bool { return d >= '6' && d <= '9' }
