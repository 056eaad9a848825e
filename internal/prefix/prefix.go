// Package prefix answers cheaply, within a transaction, whether there are keys
// of a kind at all. A deletion asks for the children, the containers and the
// leases of each image; where there are none of a kind, one look serves all.
package prefix

import (
	"context"

	"github.com/jettison-oci/jettison/kv"
)

// A Prefix knows whether a transaction has keys that begin with it. Make one
// for each transaction with [New].
type Prefix struct {
	r      kv.Reader
	prefix string
	asked  bool
	some   bool
}

// New returns what is known of the prefix in the transaction of r: nothing yet.
func New(r kv.Reader, prefix string) *Prefix {
	return &Prefix{r: r, prefix: prefix}
}

// Empty reports whether no key begins with the prefix. It looks once.
func (p *Prefix) Empty(ctx context.Context) (bool, error) {
	if p.asked {
		return !p.some, ctx.Err()
	}
	err := p.look(ctx)
	return err == nil && !p.some, err
}

func (p *Prefix) look(ctx context.Context) error {
	for _, err := range p.r.Scan(ctx, []byte(p.prefix)) {
		if err != nil {
			return err
		}
		p.some = true
		break
	}
	p.asked = true
	return nil
}

// Put says that a key was written that begins with the prefix. Keys that are
// deleted need not be told: then Empty may be false too long, which costs no
// more than a scan.
func (p *Prefix) Put() { p.asked, p.some = true, true }
