// Package etcdkv is a [kv.DB] in etcd: records that several machines share, and that
// outlive each of them.
//
//	client, err := clientv3.New(clientv3.Config{Endpoints: endpoints})
//	…
//	db, err := etcdkv.New(ctx, client, &etcdkv.Options{Prefix: "/ci/"})
//	…
//	store, err := kvstore.New(ctx, db, nil)
//
// It needs etcd 3.4 or later; a cluster, its certificates, users and roles are the
// caller's, who passes a client. That needs to read and to write below the prefix of
// the store, no more.
//
// # Transactions
//
// A View reads one revision of etcd. It begins with the newest that a majority has
// agreed on; after that any member may answer. It never waits for an Update, and
// writes nothing.
//
// An Update reads such a state too and keeps its writes to itself. They become
// visible and durable in one transaction of etcd, if nobody has changed the store
// meanwhile: else its function runs again, on the new state. Updates of one DB take
// turns, so only those of several programs overtake each other. One that is long
// beside many short ones of others may be overtaken again and again, until its
// context ends: let prunes go in batches.
//
// An update that is too large for a transaction of etcd is all or nothing too, of
// whatever size. It is written to a log beside the entries first; one transaction
// commits it; then it is settled. Until that is done Views see the log upon the
// entries, and whoever writes next settles what a program has left that ended in
// between. The log is held in memory meanwhile.
//
// What a transaction reads it reads ahead, in pages, and keeps until it ends: up to 64
// MiB of it, beside what an Update writes. So a prune asks the server a few hundred
// times, not a few times for each image.
//
// # When a commit is not answered
//
// A connection may be lost, or a leader, while a commit is under way. It is then
// sent again and found out about, for as long as Options.CommitTimeout, whatever the
// context says; it is never made twice. When that does not help the error is an
// [*UnknownError]: all of the update has happened, or nothing. That is the one
// exception to what [kv.DB] promises of errors.
//
// # Limits
//
// Keys have at most 4 KiB, values at most 1 MiB: documents of indexes that are larger
// are refused. The server's --max-request-bytes must not be below its default; else an
// Update gets a [*LimitError], and nothing has changed. Where --max-txn-ops is below
// Options.MaxOps, updates take more requests.
//
// What a server keeps of the past is
// compacted, by the rules of the cluster; a transaction that lasts longer than that
// gets a [*CompactedError]. Each update leaves its old values in the history until
// then, so a cluster without automatic compaction fills up (--quota-backend-bytes),
// and takes no more updates, not even deletions, until it is compacted and its alarm
// is disarmed.
//
// A cluster without a majority answers neither Views nor Updates: the error is of
// class Unavailable, as for every server that is not there, has no room or refuses
// who asks. How long a client waits for that is a matter of its configuration
// (DialTimeout, DialKeepAliveTime) and of the contexts.
//
// # Who may share what
//
// Any number of programs may use one store, and several stores a cluster, each with
// its prefix. Nothing else may write below the prefix, but a tool that removes all
// of it. Records of containers and leases lie in the store as well: what one program
// leases, none of the others deletes. They are taken at their word; a container whose
// machine is gone stays until someone removes its record.
//
// The content of layers is not in etcd, only its sizes and who holds it. Reports say
// which layers and content have lost their last holder; removing the bytes, on
// whichever machines have them, is up to the caller. With kvstore's
// Options.MarkGarbage the same transaction leaves a mark for each until that is done.
//
// What the contract forbids and this engine can notice, it refuses with an error of
// class InvalidArgument: using a transaction after its end, and writing while a scan
// runs.
package etcdkv
