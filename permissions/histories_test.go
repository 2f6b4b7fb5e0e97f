//go:build !race

package permissions

// histories is how many random ones an ordinary run of a property looks at.
const histories = "3000"
