package geo

// Override says where a number is, against its prefix: the sanctions follow the
// person, not the prefix.
type Override struct {
	Number E164
	Region string // ISO 3166-1 or 3166-2
	Source string // who knows it, and how
}
