// Package compare runs the same scenarios through Docker's own code and through
// this project's engine, in one process, and compares everything that can be
// seen: records in order, error text and class, events, and the images,
// parents, references and layers that are left.
//
// Both sides are an [Engine]. [Generate] makes a [Scenario] from a seed, and
// [Comparison.Run] plays it. Where the two differ on purpose, a [Difference]
// says how: it changes what Docker is given, or what Docker answered, exactly
// as the rule demands, and the result must then equal what this engine does.
// So a difference excuses nothing beyond itself, and an engine that does not
// keep the rule is found out as well. Anything else is a [Mismatch].
//
// Docker prunes in random order, so of a prune the records and events are
// compared without their order; of the order, that in which the images without
// children went.
//
// The table in docs/semantics.md lists the differences; the tests of this
// package show each of them on both sides.
package compare
