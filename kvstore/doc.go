// Package kvstore keeps everything that deletion needs to know in one ordered
// key-value map: images with their layers, references, containers and leases.
// Its [Store] is a [jettison.Backend] over any [kv.DB].
//
// # For the service
//
// [Store.View] and [Store.Update] show the four stores of one transaction to a
// [jettison.Service]. An Update is all or nothing (rule D14), so of two
// deletions at once each removal is reported by exactly one (rule D15).
//
// # For an engine
//
// [Store.Read] and [Store.Edit] show the same transaction as a [Tx], with what
// an engine does besides deleting: it creates images, tags them and records
// containers. A function given to Edit may run again after a lost race, so it
// must start afresh each time and change nothing outside the transaction.
//
// # Damage
//
// [Check] looks at every entry of a database and says what is wrong with it,
// [Repair] mends that (the C rules).
//
// # Keys
//
//	meta/format               the version of this schema, a decimal number
//	container/<id>            the record of a container
//	name/<name>               the ID of the container so called
//	use/<image>/<id>          empty: the container was created from the image or mounts it
//	lease/<image>/<id>        the record of a lease
//
// The keys of images and references are those of packages imagestore and
// refstore. What keeps an image busy is found by one scan under the image's
// own prefix, so a check does not depend on what other images are used by.
package kvstore
