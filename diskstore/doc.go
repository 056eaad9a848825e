// Package diskstore is the embedded store: a directory that holds images,
// their records and their bytes.
//
//	meta.db               records: a kvstore on bbolt; versions are told of at kvstore.Format
//	blobs/<alg>/<hex>     content, named by its digest as in an OCI image layout
//	ingest/               content that is being written; emptied by Open
//	removed-<time>/       what a repair took out
//
// # Loading
//
// Content comes in through an [Ingest]. [Ingest.Write] streams it to a
// temporary file, verifies it and syncs it. Content that the store has already
// is verified where it lies, and replaced if it is damaged. [Ingest.Commit]
// notes durably that the files to come are garbage, renames them into blobs/,
// syncs the directory, and then makes the records; creating an image takes the
// notes away. A crash at any moment leaves either the image or garbage that the
// next [Open] removes, never a record without its bytes and never bytes that
// nothing knows of.
//
// # Deleting
//
// An Update commits the records and the list of content that nothing holds any
// more in one transaction, then removes the files (rule D12). There is no
// second commit: the notes of files that are gone are cleared in bulk, with an
// Update that finds 128 of them, or by Close or Open. A file that cannot be
// removed is logged and tried again after a later Update and at the next Open;
// the deletion stands.
//
// With [Options.BackgroundRemoval] the removal is left to a goroutine, which has
// nothing but the notes to go by. It begins with what is noted when the store is
// opened, rests for a while when something cannot be removed, and ends with
// Close. In the default mode there is no file without an owner when Open has
// returned; in the background there is none when [Store.Flush] or [Store.Close]
// has returned nil. At any moment each such file is noted. [Store.Pending] counts
// them.
//
// # Both at once
//
// An Ingest pins a digest before it looks whether the store has the content,
// and until it ends. What is pinned is not removed. When the pin ends, what is
// still garbage goes.
//
// # Damage
//
// [Store.Check] says what is wrong with records and files, [Store.Repair] mends
// it and destroys nothing (the C rules). [Store.Verify] reads the content alone.
//
// # Processes
//
// One process at a time has the store open to change it. Another one that wants
// to gets a [boltkv.LockedError] after a short wait, which says who has it: that
// is noted in meta.db.lock as long as it lasts. Any number may read it at the
// same time with [Options].ReadOnly. They take no lock; each View reads a copy of
// meta.db as of its last commit. Content that is deleted meanwhile is NotFound;
// what a reader has open it can read to its end.
package diskstore
