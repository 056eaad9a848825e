package scripttest

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/opencontainers/go-digest"
)

// names are the words by which a script writes IDs. The zero value knows none.
type names struct {
	byWord map[string]digest.Digest
	pairs  []string // text and the word for it, for a strings.Replacer
}

// add makes word the name of id. One that is named already keeps its word.
func (n *names) add(word string, id digest.Digest) {
	if n.byWord == nil {
		n.byWord = make(map[string]digest.Digest)
	}
	if _, ok := n.byWord[word]; ok {
		return
	}
	n.byWord[word] = id
	n.pairs = append(n.pairs,
		id.String(), "{"+word+"}",
		id.Encoded(), "{"+word+":hex}",
		id.Encoded()[:12], "{"+word+":12}")
}

// id is what a word names.
func (n *names) id(word string) (digest.Digest, error) {
	if id, ok := n.byWord[word]; ok {
		return id, nil
	}
	return "", fmt.Errorf("nothing is called %q", word)
}

var braces = regexp.MustCompile(`\{[^{}]*\}`)

// expand writes IDs in place of the words in braces.
func (n *names) expand(text string) (string, error) {
	var failed error
	text = braces.ReplaceAllStringFunc(text, func(word string) string {
		full, err := n.expandWord(word[1 : len(word)-1])
		if err != nil {
			failed = err
		}
		return full
	})
	return text, failed
}

func (n *names) expandWord(word string) (string, error) {
	if value, ok := strings.CutPrefix(word, "digest:"); ok {
		n.add(word, digest.FromString(value))
		return n.byWord[word].String(), nil
	}
	word, form, cut := strings.Cut(word, ":")
	id, err := n.id(word)
	switch {
	case err != nil:
		return "", err
	case !cut:
		return id.String(), nil
	case form == "hex":
		return id.Encoded(), nil
	}
	digits, err := strconv.Atoi(form)
	if err != nil {
		return "", err
	}
	return id.Encoded()[:digits], nil
}

// shorten writes words in place of the IDs.
func (n *names) shorten(text string) string {
	return strings.NewReplacer(n.pairs...).Replace(text)
}
