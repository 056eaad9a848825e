package kvstore

import (
	"bytes"
	"context"

	"github.com/opencontainers/go-digest"

	"github.com/jettison-oci/jettison/check"
	"github.com/jettison-oci/jettison/conflict"
	"github.com/jettison-oci/jettison/internal/audit"
	"github.com/jettison-oci/jettison/kv"
)

// unknownOwner is the owner of a lease whose record could not be read.
const unknownOwner = "unknown (its record could not be read)"

// checkLeases looks at all leases (rules C1 and C5). One that cannot be read
// may hold still: it is made again as one that does not expire.
func checkLeases(ctx context.Context, r kv.Reader, a *audit.Audit) error {
	for entry, err := range r.Scan(ctx, []byte(leasePrefix)) {
		if err != nil {
			return err
		}
		image, id, _ := bytes.Cut(entry.Key[len(leasePrefix):], []byte("/"))
		if digest.Digest(image).Validate() != nil || len(id) == 0 || bytes.ContainsRune(id, '/') {
			unknown(a, entry.Key, "it is no lease on an image")
			continue
		}
		checkLease(a, entry, digest.Digest(image), string(id))
	}
	return nil
}

func checkLease(a *audit.Audit, entry kv.Entry, image digest.Digest, id string) {
	_, err := decodeLease(entry, id)
	switch {
	case a.Gone[image]: // a lease goes with its image, as when that is deleted
		a.Remove(entry.Key)
	case !a.Images[image]:
		a.Remove(entry.Key)
		a.Found(check.Finding{
			Kind: check.NoImage, Key: string(entry.Key),
			Problem: "the lease is on an image that is not there",
			Repair:  "the lease is removed",
		})
	case err != nil:
		key := bytes.Clone(entry.Key)
		a.Put(key, encodeLease(key, conflict.Lease{ID: id, Kind: conflict.LeaseCreate, Owner: unknownOwner}))
		a.Found(check.Finding{
			Kind: check.UnreadableRecord, Key: string(key),
			Problem: audit.Problem(err),
			Repair:  "it is made again as a lease that does not expire, so that its image stays; release it when it is over",
		}, image)
	}
}
