package kvtest_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"sync/atomic"
	"time"

	"github.com/jettison-oci/jettison/internal/class"
	"github.com/jettison-oci/jettison/kv"
	"github.com/jettison-oci/jettison/kv/memkv"
)

// updating returns an engine with another Update.
func updating(update func(db kv.DB, ctx context.Context, fn func(kv.Tx) error) error) kv.DB {
	db := memkv.New()
	return engine{DB: db, update: func(ctx context.Context, fn func(kv.Tx) error) error { return update(db, ctx, fn) }}
}

func forgetsRollback() kv.DB {
	return updating(func(db kv.DB, ctx context.Context, fn func(kv.Tx) error) error {
		var failed error
		err := db.Update(ctx, func(tx kv.Tx) error {
			failed = fn(tx)
			return nil
		})
		if err != nil {
			return err
		}
		return failed
	})
}

func commitsOnPanic() kv.DB {
	return updating(func(db kv.DB, ctx context.Context, fn func(kv.Tx) error) error {
		var panicked any
		err := db.Update(ctx, func(tx kv.Tx) error {
			defer func() { panicked = recover() }()
			return fn(tx)
		})
		if panicked != nil {
			panic(panicked)
		}
		return err
	})
}

func swallowsPanics() kv.DB {
	return updating(func(db kv.DB, ctx context.Context, fn func(kv.Tx) error) error {
		return db.Update(ctx, func(tx kv.Tx) (err error) {
			defer func() {
				if p := recover(); p != nil {
					err = fmt.Errorf("panic: %v", p)
				}
			}()
			return fn(tx)
		})
	})
}

func wrapsErrors() kv.DB {
	return updating(func(db kv.DB, ctx context.Context, fn func(kv.Tx) error) error {
		if err := db.Update(ctx, fn); err != nil {
			return fmt.Errorf("update: %w", err)
		}
		return nil
	})
}

// An action is a write that can be done again.
type action func(ctx context.Context, tx kv.Tx) error

// A journal keeps the writes that succeeded.
type journal []action

func (j *journal) do(ctx context.Context, tx kv.Tx, now, again action) error {
	if err := now(ctx, tx); err != nil {
		return err
	}
	*j = append(*j, again)
	return nil
}

// replay does the writes again, whatever has become of the context.
func (j *journal) replay(ctx context.Context, tx kv.Tx) error {
	for _, again := range *j {
		if err := again(context.WithoutCancel(ctx), tx); err != nil {
			return err
		}
	}
	return nil
}

func putting(key, value []byte) action {
	return func(ctx context.Context, tx kv.Tx) error { return tx.Put(ctx, key, value) }
}

func deleting(key []byte) action {
	return func(ctx context.Context, tx kv.Tx) error { return tx.Delete(ctx, key) }
}

func keepsSlices() kv.DB {
	return updating(func(db kv.DB, ctx context.Context, fn func(kv.Tx) error) error {
		return db.Update(ctx, func(tx kv.Tx) error {
			var j journal
			f := faults{put: func(tx kv.Tx, ctx context.Context, key, value []byte) error {
				return j.do(ctx, tx, putting(key, value), putting(key, value))
			}}
			if err := fn(writer{reader{tx, f}, tx}); err != nil {
				return err
			}
			return j.replay(ctx, tx)
		})
	})
}

func losesUpdates() kv.DB {
	return updating(func(db kv.DB, ctx context.Context, fn func(kv.Tx) error) error {
		var j journal
		f := faults{
			put: func(tx kv.Tx, ctx context.Context, key, value []byte) error {
				return j.do(ctx, tx, putting(key, value), putting(bytes.Clone(key), bytes.Clone(value)))
			},
			delete: func(tx kv.Tx, ctx context.Context, key []byte) error {
				return j.do(ctx, tx, deleting(key), deleting(bytes.Clone(key)))
			},
		}
		undo := errors.New("undo")
		err := db.Update(ctx, func(tx kv.Tx) error {
			if err := fn(writer{reader{tx, f}, tx}); err != nil {
				return err
			}
			return undo
		})
		if err != undo { //nolint:errorlint // made above
			return err
		}
		time.Sleep(time.Millisecond) // others read here what is about to change
		ctx = context.WithoutCancel(ctx)
		return db.Update(ctx, func(tx kv.Tx) error { return j.replay(ctx, tx) })
	})
}

func failsTogether() kv.DB {
	var (
		waiting atomic.Int32
		failed  error // belongs to whoever runs
	)
	return updating(func(db kv.DB, ctx context.Context, fn func(kv.Tx) error) error {
		waiting.Add(1)
		defer waiting.Add(-1)
		return db.Update(ctx, func(tx kv.Tx) error {
			if failed != nil {
				defer func() { failed = nil }()
				return fmt.Errorf("shared with another: %v", failed)
			}
			err := fn(tx)
			if waiting.Load() > 1 {
				failed = err
			}
			return err
		})
	})
}

func waitsOn() kv.DB {
	return updating(func(db kv.DB, ctx context.Context, fn func(kv.Tx) error) error {
		if ctx.Err() == nil {
			ctx = context.WithoutCancel(ctx)
		}
		return db.Update(ctx, fn)
	})
}

func blind() kv.DB {
	return updating(func(db kv.DB, ctx context.Context, fn func(kv.Tx) error) error {
		return db.Update(ctx, func(tx kv.Tx) error {
			return db.View(ctx, func(before kv.Reader) error { return fn(writer{reader{Reader: before}, tx}) })
		})
	})
}

func mindsContextLate() kv.DB {
	return updating(func(db kv.DB, ctx context.Context, fn func(kv.Tx) error) error {
		if err := db.Update(ctx, fn); err != nil {
			return err
		}
		return class.Wrap(class.Unavailable, ctx.Err())
	})
}

func otherClass() kv.DB {
	return updating(func(db kv.DB, ctx context.Context, fn func(kv.Tx) error) error {
		if err := ctx.Err(); err != nil {
			return class.Errorf(class.NotFound, "%w: %w", kv.ErrNotFound, err)
		}
		return db.Update(ctx, fn)
	})
}

func hidesContextError() kv.DB {
	return updating(func(db kv.DB, ctx context.Context, fn func(kv.Tx) error) error {
		if err := ctx.Err(); err != nil {
			return class.Errorf(class.Unavailable, "%v", err)
		}
		return db.Update(ctx, fn)
	})
}

func ignoresContext() kv.DB {
	db := faults{
		get: func(r kv.Reader, ctx context.Context, key []byte) ([]byte, error) {
			return r.Get(context.WithoutCancel(ctx), key)
		},
		scan: func(r kv.Reader, ctx context.Context, prefix []byte) iter.Seq2[kv.Entry, error] {
			return r.Scan(context.WithoutCancel(ctx), prefix)
		},
		put: func(tx kv.Tx, ctx context.Context, key, value []byte) error {
			return tx.Put(context.WithoutCancel(ctx), key, value)
		},
		delete: func(tx kv.Tx, ctx context.Context, key []byte) error {
			return tx.Delete(context.WithoutCancel(ctx), key)
		},
	}.engine()
	return engine{
		DB: db,
		view: func(ctx context.Context, fn func(kv.Reader) error) error {
			return db.View(context.WithoutCancel(ctx), fn)
		},
		update: func(ctx context.Context, fn func(kv.Tx) error) error {
			return db.Update(context.WithoutCancel(ctx), fn)
		},
	}
}

func dirtyReads() kv.DB {
	var latest atomic.Pointer[kv.Tx]
	db := memkv.New()
	return engine{
		DB: db,
		view: func(ctx context.Context, fn func(kv.Reader) error) error {
			if tx := latest.Load(); tx != nil {
				return fn(*tx)
			}
			return db.View(ctx, fn)
		},
		update: func(ctx context.Context, fn func(kv.Tx) error) error {
			return db.Update(ctx, func(tx kv.Tx) error {
				latest.Store(&tx)
				defer latest.Store(nil)
				return fn(tx)
			})
		},
	}
}

func noSnapshot() kv.DB {
	db := memkv.New()
	f := faults{
		get: func(_ kv.Reader, ctx context.Context, key []byte) (value []byte, err error) {
			err = db.View(ctx, func(now kv.Reader) error {
				value, err = now.Get(ctx, key)
				return err
			})
			return value, err
		},
		scan: func(_ kv.Reader, ctx context.Context, prefix []byte) iter.Seq2[kv.Entry, error] {
			return func(yield func(kv.Entry, error) bool) {
				err := db.View(ctx, func(now kv.Reader) error {
					now.Scan(ctx, prefix)(yield)
					return nil
				})
				if err != nil {
					yield(kv.Entry{}, err)
				}
			}
		},
	}
	return engine{DB: db, view: func(ctx context.Context, fn func(kv.Reader) error) error {
		return db.View(ctx, func(r kv.Reader) error { return fn(reader{r, f}) })
	}}
}

func closesOnce() kv.DB {
	db, closes := memkv.New(), 0
	return engine{DB: db, close: func() error {
		if closes++; closes > 1 {
			return errors.New("close of a closed engine")
		}
		return db.Close()
	}}
}

func neverCloses() kv.DB {
	return engine{DB: memkv.New(), close: func() error { return nil }}
}

func closesAtOnce() kv.DB {
	db := memkv.New()
	return engine{DB: db, close: func() error {
		go func() { _ = db.Close() }()
		for db.View(context.Background(), func(kv.Reader) error { return nil }) == nil {
			time.Sleep(time.Millisecond) // until it takes no more transactions
		}
		return nil
	}}
}
