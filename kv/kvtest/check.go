package kvtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jettison-oci/jettison/internal/class"
	"github.com/jettison-oci/jettison/kv"
)

// What a case waits for: patience for what may or may not happen while an
// engine makes one transaction wait for another, deadline for what must.
const (
	patience = 50 * time.Millisecond
	deadline = 10 * time.Second
)

// errStop is an error that no engine knows.
var errStop = errors.New("stop here")

// fill puts keys and values, which take turns, in one Update.
func fill(ctx context.Context, db kv.DB, keysAndValues ...string) error {
	return db.Update(ctx, func(tx kv.Tx) error { return put(ctx, tx, keysAndValues...) })
}

func put(ctx context.Context, tx kv.Tx, keysAndValues ...string) error {
	for pair := range slices.Chunk(keysAndValues, 2) {
		if err := tx.Put(ctx, []byte(pair[0]), []byte(pair[1])); err != nil {
			return fmt.Errorf("put %q: %w", pair[0], err)
		}
	}
	return nil
}

// holds says how a View differs from the keys and values, which take turns.
func holds(ctx context.Context, db kv.DB, keysAndValues ...string) error {
	return db.View(ctx, func(r kv.Reader) error { return scans(ctx, r, "", keysAndValues...) })
}

// scans says how a scan of prefix differs from the keys and values.
func scans(ctx context.Context, r kv.Reader, prefix string, keysAndValues ...string) error {
	var got []string
	for e, err := range r.Scan(ctx, []byte(prefix)) {
		if err != nil {
			return fmt.Errorf("scan %q: %w", prefix, err)
		}
		got = append(got, string(e.Key), string(e.Value))
	}
	if !slices.Equal(got, keysAndValues) {
		return fmt.Errorf("scan %q yields %q, want %q", prefix, got, keysAndValues)
	}
	return nil
}

// gets says how the value of key differs from want.
func gets(ctx context.Context, r kv.Reader, key, want string) error {
	got, err := r.Get(ctx, []byte(key))
	if err != nil {
		return fmt.Errorf("get %q: %w", key, err)
	}
	if !bytes.Equal(got, []byte(want)) {
		return fmt.Errorf("get %q returns %q, want %q", key, got, want)
	}
	return nil
}

// misses says how reading a key that has no value goes wrong.
func misses(ctx context.Context, r kv.Reader, key string) error {
	got, err := r.Get(ctx, []byte(key))
	if !errors.Is(err, kv.ErrNotFound) {
		return fmt.Errorf("get %q returns %q and error %v, want kv.ErrNotFound", key, got, err)
	}
	return hasClass(fmt.Sprintf("get %q", key), err, class.NotFound)
}

// hasClass says how err is not of class c.
func hasClass(what string, err, c error) error {
	if err == nil {
		return fmt.Errorf("%s succeeds, want an error of class %v", what, c)
	}
	if got := class.Of(err); got != c { //nolint:errorlint // classes are compared, not errors
		return fmt.Errorf("%s: error %q has class %v, want %v", what, err, got, c)
	}
	return nil
}

// endedBy says how err is not the error of the context that ended.
func endedBy(ctx context.Context, what string, err error) error {
	if err := hasClass(what, err, class.Unavailable); err != nil {
		return err
	}
	if !errors.Is(err, ctx.Err()) {
		return fmt.Errorf("%s: error %q does not wrap that of the context, %q", what, err, ctx.Err())
	}
	return nil
}

// background runs f in a goroutine and returns where its error will be.
func background(f func() error) chan error {
	done := make(chan error, 1)
	go func() { done <- f() }()
	return done
}

// linger gives a goroutine the time to do what it should not.
func linger(done chan error) {
	select {
	case err := <-done:
		done <- err
	case <-time.After(patience):
	}
}

// finish waits for a goroutine that must end.
func finish(what string, done chan error) error {
	select {
	case err := <-done:
		if err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
		return nil
	case <-time.After(deadline):
		return fmt.Errorf("%s does not end", what)
	}
}
