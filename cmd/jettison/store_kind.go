package main

import (
	"context"
	"log/slog"
	"slices"
	"strings"

	"github.com/pkg/errors"
	"github.com/spf13/cobra"

	"github.com/jettison-oci/jettison/internal/class"
)

// A kind is a kind of store that is not a directory of this program. A store of
// it is named by --store NAME or --store NAME:REST.
type kind struct {
	name string
	// title is what messages call such a store.
	title string
	// check refuses a rest, or other settings, that make no sense.
	check func(s *settings, rest string) error
	// open opens the store, runs fn on it and closes it again.
	open func(ctx context.Context, s *settings, rest string, log *slog.Logger, fn func(*opened) error) error
}

// kinds returns the kinds there are.
func kinds() []kind {
	return []kind{
		{name: "oci", title: "an OCI image layout", check: checkLayout, open: withLayout},
		containerdKind(),
		podmanKind(),
	}
}

// kind returns the kind of the store, if it has one, and what stands after the
// name of the kind.
func (s *settings) kind() (k kind, rest string, has bool) {
	name, rest, _ := strings.Cut(s.store, ":")
	for _, k := range kinds() {
		if k.name == name {
			return k, rest, true
		}
	}
	return kind{}, "", false
}

// checkStoreName refuses a --store that cannot be one.
func (s *settings) checkStoreName() error {
	if s.store == "" {
		return errors.New("--store is empty: want a directory")
	}
	k, rest, has := s.kind()
	if s.namespace != "" && k.name != "containerd" {
		return errors.New("--namespace is for the images of a containerd: give --store containerd too")
	}
	if has {
		return k.check(s, rest)
	}
	if name, _, colon := strings.Cut(s.store, ":"); isForeign(name, colon) {
		return errors.Errorf("--store %q: this version knows no such stores; write ./%s for a directory of that name", s.store, s.store)
	}
	return nil
}

// isForeign reports whether a name, alone or with a colon, is what other tools call
// a kind of store, or one of the kinds in other letters. Nobody means a directory by
// it, and load would make one.
func isForeign(name string, colon bool) bool {
	foreign := []string{"docker"}
	if colon {
		foreign = append(foreign, "containers-storage", "dir", "docker-archive", "docker-daemon", "etcd", "oci-archive")
		for _, k := range kinds() {
			foreign = append(foreign, k.name)
		}
	}
	return slices.ContainsFunc(foreign, func(kind string) bool { return strings.EqualFold(name, kind) })
}

// The stores on which a command works, unless it works on all.
const (
	onDisk         = "a store on disk only"
	ofOurs         = "a store on disk or an OCI image layout only"
	withContainers = "stores that know of containers"
)

// storesKey is the annotation of a command with the stores on which it works.
const storesKey = "stores"

// only makes cmd one that works on those stores only.
func only(stores string, cmd *cobra.Command) *cobra.Command {
	cmd.Annotations = map[string]string{storesKey: stores}
	return cmd
}

// suits refuses a command that does not work on the store, before it is opened.
func (s *settings) suits(cmd *cobra.Command) error {
	stores := cmd.Annotations[storesKey]
	k, _, has := s.kind()
	switch {
	case !has || stores == "", stores == ofOurs && k.name == "oci", stores == withContainers && k.name != "oci":
		return nil
	}
	return s.worksOn(stores)
}

// worksOn says on which stores a command works instead of on this one.
func (s *settings) worksOn(stores string) error {
	k, _, _ := s.kind()
	return misused{class.Errorf(class.InvalidArgument, "%s is %s: this command works on %s", s.store, k.title, stores)}
}

func checkLayout(_ *settings, dir string) error {
	if dir == "" {
		return errors.New("--store oci: names no directory: want oci:DIR")
	}
	return nil
}
