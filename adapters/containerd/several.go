package containerd

import (
	"context"
	"sync/atomic"

	"golang.org/x/sync/errgroup"
)

// atOnce is how many questions are asked of containerd at once.
const atOnce = 16

// several calls do for each number below n, several at once, and waits for all of
// them. The first error ends the context of the others; those that have not begun
// do not begin then. The workers are few and do many calls each: a stack that has
// grown is worth keeping.
func several(ctx context.Context, n int, do func(ctx context.Context, i int) error) error {
	group, ctx := errgroup.WithContext(ctx)
	var next atomic.Int64
	for range min(n, atOnce) {
		group.Go(func() error {
			for {
				i := int(next.Add(1)) - 1
				if i >= n {
					return nil
				}
				if err := ctx.Err(); err != nil {
					return err
				}
				if err := do(ctx, i); err != nil {
					return err
				}
			}
		})
	}
	return group.Wait()
}

// together makes these calls at once and waits for all of them. The first error
// ends the context of the others.
func together(ctx context.Context, calls ...func(context.Context) error) error {
	return several(ctx, len(calls), func(ctx context.Context, i int) error { return calls[i](ctx) })
}
