//go:build race

package permissions

// histories is how many random ones a property looks at under the race detector,
// which makes each ten times as dear and looks for something else.
const histories = "500"
