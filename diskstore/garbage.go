package diskstore

import (
	"sync"

	"github.com/opencontainers/go-digest"
)

// garbage is what this process knows of the content that nothing holds, beyond
// the marks in the records. Its lock orders the removal of a file and the pin
// that keeps it.
type garbage struct {
	mu sync.Mutex
	// pins counts the ingests that rely on the file of each content.
	pins map[digest.Digest]int
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
	return &garbage{pins: make(map[digest.Digest]int), removed: make(map[digest.Digest]uint64)}
}

// pin keeps the file of the content, if it is there, until unpin.
func (g *garbage) pin(content digest.Digest) {
	g.mu.Lock()
	defer g.mu.Unlock()
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
	g.mu.Lock()
	defer g.mu.Unlock()
	if _, gone := g.removed[content]; gone || g.pins[content] > 0 {
		return nil
	}
	gone, err := remove()
	if gone {
		g.turn++
		g.removed[content] = g.turn
	}
	return err
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
