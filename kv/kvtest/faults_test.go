package kvtest_test

import (
	"bytes"
	"context"
	"errors"
	"iter"
	"slices"

	"github.com/jettison-oci/jettison/kv"
	"github.com/jettison-oci/jettison/kv/memkv"
)

// An engine is a sound one with some of its methods replaced.
type engine struct {
	kv.DB
	view   func(context.Context, func(kv.Reader) error) error
	update func(context.Context, func(kv.Tx) error) error
	close  func() error
}

func (e engine) View(ctx context.Context, fn func(kv.Reader) error) error {
	if e.view != nil {
		return e.view(ctx, fn)
	}
	return e.DB.View(ctx, fn)
}

func (e engine) Update(ctx context.Context, fn func(kv.Tx) error) error {
	if e.update != nil {
		return e.update(ctx, fn)
	}
	return e.DB.Update(ctx, fn)
}

func (e engine) Close() error {
	if e.close != nil {
		return e.close()
	}
	return e.DB.Close()
}

// faults replace methods of a transaction; those of the Reader serve views too.
type faults struct {
	get    func(r kv.Reader, ctx context.Context, key []byte) ([]byte, error)
	scan   func(r kv.Reader, ctx context.Context, prefix []byte) iter.Seq2[kv.Entry, error]
	put    func(tx kv.Tx, ctx context.Context, key, value []byte) error
	delete func(tx kv.Tx, ctx context.Context, key []byte) error
}

// engine returns an engine whose transactions have the faults.
func (f faults) engine() kv.DB {
	db := memkv.New()
	return engine{
		DB: db,
		view: func(ctx context.Context, fn func(kv.Reader) error) error {
			return db.View(ctx, func(r kv.Reader) error { return fn(reader{r, f}) })
		},
		update: func(ctx context.Context, fn func(kv.Tx) error) error {
			return db.Update(ctx, func(tx kv.Tx) error { return fn(writer{reader{tx, f}, tx}) })
		},
	}
}

type reader struct {
	kv.Reader
	faults faults
}

func (r reader) Get(ctx context.Context, key []byte) ([]byte, error) {
	if r.faults.get != nil {
		return r.faults.get(r.Reader, ctx, key)
	}
	return r.Reader.Get(ctx, key)
}

func (r reader) Scan(ctx context.Context, prefix []byte) iter.Seq2[kv.Entry, error] {
	if r.faults.scan != nil {
		return r.faults.scan(r.Reader, ctx, prefix)
	}
	return r.Reader.Scan(ctx, prefix)
}

type writer struct {
	reader
	tx kv.Tx
}

func (w writer) Put(ctx context.Context, key, value []byte) error {
	if w.faults.put != nil {
		return w.faults.put(w.tx, ctx, key, value)
	}
	return w.tx.Put(ctx, key, value)
}

func (w writer) Delete(ctx context.Context, key []byte) error {
	if w.faults.delete != nil {
		return w.faults.delete(w.tx, ctx, key)
	}
	return w.tx.Delete(ctx, key)
}

// selecting scans everything from the prefix on and yields what keep wants.
func selecting(keep func(prefix, key []byte) bool) kv.DB {
	return faults{scan: func(r kv.Reader, ctx context.Context, prefix []byte) iter.Seq2[kv.Entry, error] {
		return func(yield func(kv.Entry, error) bool) {
			for e, err := range r.Scan(ctx, nil) {
				if err == nil && (bytes.Compare(e.Key, prefix) < 0 || !keep(prefix, e.Key)) {
					continue
				}
				if !yield(e, err) {
					return
				}
			}
		}
	}}.engine()
}

func ignoresPrefixEnd() kv.DB {
	return selecting(func(_, _ []byte) bool { return true })
}

func incrementsPrefix() kv.DB {
	return selecting(func(prefix, key []byte) bool {
		if len(prefix) == 0 {
			return true
		}
		end := bytes.Clone(prefix)
		end[len(end)-1]++
		return bytes.Compare(key, end) < 0
	})
}

func skipsPrefixItself() kv.DB {
	return selecting(func(prefix, key []byte) bool { return bytes.HasPrefix(key, prefix) && len(key) > len(prefix) })
}

// signedBytes orders keys as C's signed characters.
func signedBytes() kv.DB {
	compare := func(a, b kv.Entry) int {
		return slices.CompareFunc(a.Key, b.Key, func(x, y byte) int { return int(int8(x)) - int(int8(y)) })
	}
	return faults{scan: func(r kv.Reader, ctx context.Context, prefix []byte) iter.Seq2[kv.Entry, error] {
		return func(yield func(kv.Entry, error) bool) {
			var all []kv.Entry
			for e, err := range r.Scan(ctx, prefix) {
				if err != nil {
					yield(kv.Entry{}, err)
					return
				}
				all = append(all, e)
			}
			for _, e := range slices.SortedFunc(slices.Values(all), compare) {
				if err := ctx.Err(); err != nil {
					yield(kv.Entry{}, err)
					return
				}
				if !yield(e, nil) {
					return
				}
			}
		}
	}}.engine()
}

func goesOn() kv.DB {
	return faults{scan: func(r kv.Reader, ctx context.Context, prefix []byte) iter.Seq2[kv.Entry, error] {
		return func(yield func(kv.Entry, error) bool) {
			for e, err := range r.Scan(ctx, prefix) {
				yield(e, err)
			}
		}
	}}.engine()
}

func scansOnce() kv.DB {
	return faults{scan: func(r kv.Reader, ctx context.Context, prefix []byte) iter.Seq2[kv.Entry, error] {
		seq := r.Scan(ctx, prefix)
		return func(yield func(kv.Entry, error) bool) {
			once := seq
			seq = func(func(kv.Entry, error) bool) {}
			once(yield)
		}
	}}.engine()
}

func looksEarly() kv.DB {
	return faults{scan: func(r kv.Reader, ctx context.Context, prefix []byte) iter.Seq2[kv.Entry, error] {
		for range r.Scan(ctx, prefix) {
			return r.Scan(ctx, prefix)
		}
		return func(func(kv.Entry, error) bool) {}
	}}.engine()
}

func absenceIsNil() kv.DB {
	return faults{get: func(r kv.Reader, ctx context.Context, key []byte) ([]byte, error) {
		value, err := r.Get(ctx, key)
		if errors.Is(err, kv.ErrNotFound) {
			return []byte("0"), nil
		}
		return value, err
	}}.engine()
}

func dropsEmptyValues() kv.DB {
	return faults{put: func(tx kv.Tx, ctx context.Context, key, value []byte) error {
		if len(key) > 0 && len(value) == 0 {
			return tx.Delete(ctx, key)
		}
		return tx.Put(ctx, key, value)
	}}.engine()
}

func takesEmptyKeys() kv.DB {
	return faults{put: func(tx kv.Tx, ctx context.Context, key, value []byte) error {
		if len(key) == 0 {
			return nil
		}
		return tx.Put(ctx, key, value)
	}}.engine()
}

func smallValues() kv.DB {
	return faults{put: func(tx kv.Tx, ctx context.Context, key, value []byte) error {
		if len(value) > 64<<10 {
			return errors.New("too large")
		}
		return tx.Put(ctx, key, value)
	}}.engine()
}

func mindsMissing() kv.DB {
	return faults{delete: func(tx kv.Tx, ctx context.Context, key []byte) error {
		if _, err := tx.Get(ctx, key); err != nil {
			return err
		}
		return tx.Delete(ctx, key)
	}}.engine()
}

func oneBuffer() kv.DB {
	var buffer []byte
	return faults{get: func(r kv.Reader, ctx context.Context, key []byte) ([]byte, error) {
		value, err := r.Get(ctx, key)
		if err != nil {
			return nil, err
		}
		buffer = append(buffer[:0], value...)
		return buffer, nil
	}}.engine()
}

func ignoresContextInScans() kv.DB {
	return faults{scan: func(r kv.Reader, ctx context.Context, prefix []byte) iter.Seq2[kv.Entry, error] {
		if ctx.Err() == nil {
			ctx = context.WithoutCancel(ctx)
		}
		return r.Scan(ctx, prefix)
	}}.engine()
}
