// Package storetest is the suite that the stores behind a
// [github.com/jettison-oci/jettison.Service] must pass, and the means to fill
// them.
//
// A test of a store calls [Run] with a [Config] that says how to open a fresh
// store holding a given [State], and what the store can do. Every promise in
// the comments of ImageStore, ReferenceStore, ContainerLister, LeaseStore and
// Backend, and of the abilities that stores may have beside (ReferrerStore,
// PlatformStore, NamedDeleter, Collector, ShortNamer, DigestNamer and
// ContainerRemover), has a case; a case that fails explains the promise that was
// broken.
// [Bench] measures the same stores. [Check] runs the cases and returns the
// failures instead of reporting them.
//
//	func TestStore(t *testing.T) {
//		storetest.Run(t, storetest.Config{
//			Open: func(t testing.TB, st storetest.State) jettison.Backend {
//				...
//			},
//			Atomic: true,
//		})
//	}
//
// The package needs the standard library and this module only.
package storetest
