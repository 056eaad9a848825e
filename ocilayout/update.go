package ocilayout

import (
	"context"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/internal/class"
)

// maxRaces is how often an Update begins again because another program has
// changed index.json.
const maxRaces = 16

// Update runs fn and makes all its changes visible and durable together, as
// [jettison.Backend] says: index.json is replaced by a rename. Then it removes
// the blobs that nothing needs any more; what cannot be removed is logged and
// does not fail the Update (rule D12).
//
// Another Update waits, in this process and in others; when it waits too long
// for another process the error is a [*LockedError]. Other tools take no
// notice of the lock. When one of them has changed index.json since it was
// read, fn runs again on what is there now; the error is of class Unavailable
// when that happens too often.
func (l *Layout) Update(ctx context.Context, fn func(jettison.Stores) error) error {
	return l.update(ctx, func(tx *transaction) error { return fn(tx.stores(writing)) })
}

func (l *Layout) update(ctx context.Context, fn func(*transaction) error) error {
	if err := ctx.Err(); err != nil {
		return class.Wrap(class.Unavailable, err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	unlock, err := l.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	for range maxRaces {
		done, err := l.attempt(ctx, fn)
		if done || err != nil {
			return err
		}
	}
	return class.Errorf(class.Unavailable, "%s: another program keeps changing it", l.indexPath())
}

// attempt runs fn on the state of now. It reports false when another program
// came in between: nothing has changed then.
func (l *Layout) attempt(ctx context.Context, fn func(*transaction) error) (bool, error) {
	tx, err := l.begin(ctx)
	if err != nil {
		return false, err
	}
	if err := fn(tx); err != nil {
		return false, err
	}
	if tx.changed {
		if done, err := l.commit(ctx, tx); !done || err != nil {
			return false, err
		}
	}
	if tx.leases != nil {
		l.leases = tx.leases
	}
	return true, nil
}
