package diskstore

import (
	"sync"

	"github.com/opencontainers/go-digest"
)

// garbage is what this process knows of the content that nothing holds, beyond
// the marks in the records. It orders the removal of a file and the pin that
// keeps it.
type garbage struct {
	mu sync.Mutex
	// pins counts the ingests that rely on the file of each content.
	pins map[digest.Digest]int
	// removing has the content whose file is being removed, by one goroutine
	// each. Ended is signalled when one of them has ended.
	removing map[digest.Digest]bool
	ended    *sync.Cond
	// removed has the content whose file is gone but whose mark is still
	// there, each with the turn in which it went.
	removed map[digest.Digest]uint64
	turn    uint64
	// clearing says that an Update is about to clear marks.
	clearing bool
}

// A removal says that the file of content went in this turn. When the content
// came back and went again, the turn is another one.
type removal struct {
	content digest.Digest
	turn    uint64
}

// contentsOf returns the content of each removal.
func contentsOf(list []removal) []digest.Digest {
	contents := make([]digest.Digest, len(list))
	for i, r := range list {
		contents[i] = r.content
	}
	return contents
}

func newGarbage() *garbage {
	g := &garbage{
		pins:     make(map[digest.Digest]int),
		removing: make(map[digest.Digest]bool),
		removed:  make(map[digest.Digest]uint64),
	}
	g.ended = sync.NewCond(&g.mu)
	return g
}

// pin keeps the file of the content, if it is there, until unpin. It waits for
// the end of a removal of this content, and of no other.
func (g *garbage) pin(content digest.Digest) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.await(content)
	g.pins[content]++
	delete(g.removed, content) // the file may come back, so the mark must stay
}

// unpin ends pins.
func (g *garbage) unpin(contents []digest.Digest) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, content := range contents {
		if g.pins[content]--; g.pins[content] == 0 {
			delete(g.pins, content)
		}
	}
}

// removeUnpinned calls remove, which says whether the file of the content is
// gone now, unless the content is pinned or the file went before. Nobody pins
// the content meanwhile.
func (g *garbage) removeUnpinned(content digest.Digest, remove func() (bool, error)) error {
	if !g.begin(content) {
		return nil
	}
	gone, err := remove()
	g.end(content, gone)
	return err
}

// begin reports whether the caller is to remove the file of the content, and
// then call end.
func (g *garbage) begin(content digest.Digest) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.await(content)
	if g.isSettled(content) {
		return false
	}
	g.removing[content] = true
	return true
}

func (g *garbage) end(content digest.Digest, gone bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.removing, content)
	g.ended.Broadcast()
	if gone {
		g.turn++
		g.removed[content] = g.turn
	}
}

// await waits until nobody removes the file of the content. The lock is held
// before and after.
func (g *garbage) await(content digest.Digest) {
	for g.removing[content] {
		g.ended.Wait()
	}
}

// settled reports whether there is nothing to remove: the file went before, or
// must stay for now.
func (g *garbage) settled(content digest.Digest) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.isSettled(content)
}

func (g *garbage) isSettled(content digest.Digest) bool {
	_, gone := g.removed[content]
	return gone || g.pins[content] > 0
}

// due returns the removals whose marks can be cleared, if there are as many as
// least and nobody else is clearing. Then the caller is, and calls cleared.
func (g *garbage) due(least int) []removal {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.clearing || len(g.removed) < least {
		return nil
	}
	g.clearing = true
	list := make([]removal, 0, len(g.removed))
	for content, turn := range g.removed {
		list = append(list, removal{content, turn})
	}
	return list
}

// standing returns the content of those removals after which the file has not
// come back and cannot have: a pin forgets the removal.
func (g *garbage) standing(list []removal) []digest.Digest {
	g.mu.Lock()
	defer g.mu.Unlock()
	var contents []digest.Digest
	for _, r := range list {
		if g.removed[r.content] == r.turn {
			contents = append(contents, r.content)
		}
	}
	return contents
}

// cleared ends what due began. It forgets the removals whose marks have been
// cleared.
func (g *garbage) cleared(list []removal) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.clearing = false
	for _, r := range list {
		if g.removed[r.content] == r.turn {
			delete(g.removed, r.content)
		}
	}
}
