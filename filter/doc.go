// Package filter says which images a prune or a listing is about: rule P4.
//
// Filters come as "key=value" texts, as a command takes them ([Parse]), or as
// the JSON of Docker's API ([ParseJSON]). Both give [Args], from which [New]
// makes a [Filter] that is ready to be asked. All that can be wrong with a
// filter shows before an image is looked at, as an [*Error] that names the key
// and the value.
//
// An image must pass every key. What the values of a key mean:
//
//	dangling   true or 1, false or 0
//	label      KEY or KEY=VALUE; several: the image has all of them
//	label!     KEY or KEY=VALUE; several: the image has none of them
//	until      a time; the image was created strictly before it
//	reference  a [Pattern]; several: one of them matches a reference
//	before     an image; this one was created before that one
//	since      an image; this one was created after that one
//	id         an image ID, or at least the first 4 of its hex digits; several: one of them fits
//	orphaned   true or 1, false or 0
//
// A time is a duration that has passed (24h, 10m), one of the forms of RFC 3339
// from a date to nanoseconds, with a zone or in local time, or Unix seconds with
// up to 9 digits of a fraction.
//
// An image without a configuration has no labels: no "label" fits it, and no
// "label!" excludes it. An image without a time of creation is not taken for
// old: no "until" fits it. Filters that no image can pass, such as "label=a"
// with "label!=a", are refused.
//
// [Filter.Match] decides by the image and its references. It cannot decide
// "dangling", "before", "since" and "orphaned", which need the store: the caller
// asks [Filter.Dangling], [Filter.Before], [Filter.Since] and [Filter.Orphaned].
package filter
