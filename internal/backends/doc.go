// Package backends opens every kind of backend for a test, filled with the
// same state and with the same powers over it, so that one test runs on all of
// them.
//
// Its maps are the simplest stores that keep every promise of package
// jettison: what to look at before writing one's own.
package backends
