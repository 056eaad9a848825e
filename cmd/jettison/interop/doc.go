// Package interop holds the tests that put the command beside Podman, on stores
// that both can work in. They are built with the tag interop and need podman:
// `make test-interop` runs them.
//
// Each script in testdata/compare sets a scene, makes calls in two equal stores,
// with podman in one and with the command in the other, and says what both print
// and what is left. Where they differ it names the row of docs/semantics.md.
//
//	go test -tags interop ./interop -update
//
// writes what they do into the scripts: read the difference before you keep it. The
// stores are of the driver vfs, and for some of the scripts also of overlay;
// "-driver overlay" runs all tests on that.
package interop
