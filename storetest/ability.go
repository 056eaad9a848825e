package storetest

import (
	"fmt"
	"reflect"
	"strings"
)

// ability is a set of what a store can do, as its [Config] says.
type ability uint16

const (
	atomic ability = 1 << iota
	partial
	contents
	parents
	containers
	mounts
	leases
	dangling
	damage
	removes
	referrers
	platforms
	namedDeletes
	collects
	shortNames
	knowsDigests
)

// abilities are those that the configuration declares.
func (c Config) abilities() ability {
	var all ability
	for _, can := range []struct {
		ability  ability
		declared bool
	}{
		{atomic, c.Atomic},
		{partial, !c.Atomic},
		{contents, c.Content},
		{parents, c.Parents},
		{containers, c.Containers},
		{mounts, c.Containers && c.Mounts},
		{leases, c.Leases},
		{dangling, c.Dangling},
		{damage, c.Damage != nil},
		{removes, c.Containers && c.RemovesContainers},
		{referrers, c.Referrers},
		{platforms, c.Platforms},
		{namedDeletes, c.NamedDeletes},
		{collects, c.Garbage != nil},
		{shortNames, c.ShortNames},
		{knowsDigests, c.Digest != nil},
	} {
		if can.declared {
			all |= can.ability
		}
	}
	return all
}

// String names the abilities in the set.
func (a ability) String() string {
	names := []string{
		"undo a failed update", "keep what a failed update did", "keep content", "keep parents", "know containers", "know what they mount",
		"keep leases", "keep references to missing images", "be damaged",
		"remove containers",
		"know what is about what", "take platforms out of indexes",
		"remove references and their image as one", "collect garbage",
		"complete short names", "know digests without references",
	}
	var set []string
	for i, name := range names {
		if a&(1<<i) != 0 {
			set = append(set, name)
		}
	}
	return strings.Join(set, ", ")
}

// able is an ability of a store that the configuration declares.
func able[Ability any](of Ability) (Ability, error) {
	if any(of) == nil {
		return of, fmt.Errorf("the store has no %s, which the configuration declares", reflect.TypeFor[Ability]())
	}
	return of, nil
}
