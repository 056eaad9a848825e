package podman

import (
	"context"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"
	"github.com/distribution/reference"
	"github.com/pkg/errors"
	"go.podman.io/storage/pkg/unshare"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/internal/class"
)

// ShortNames say what a name without a domain may mean (rule R9): its alias, the
// name on localhost, then on each of the registries, then on docker.io; at last the
// only reference of the store that ends like it, in whatever repository. Podman looks
// for a local image in this order. Where several references end so, it takes one of
// them; nothing is deleted on such a guess.
type ShortNames struct {
	// Aliases are repositories with their domain, by short name: "alpine" may be
	// "docker.io/library/alpine". An empty one means that the name has no alias.
	Aliases map[string]string
	// Registries are the domains, perhaps with a path, on which names are looked for,
	// in this order.
	Registries []string
}

// ReadShortNames reads the configuration that Podman has of them, for the user that
// runs this process: registries.conf, the files *.conf in registries.conf.d, and
// the aliases that users have agreed to. What is missing adds nothing. The error is
// of class InvalidArgument for a file that cannot be understood, and Unavailable for
// one that cannot be read.
func ReadShortNames() (*ShortNames, error) { return shortNameFiles().read() }

// nameFiles are the files with short names. Later ones win.
type nameFiles struct{ config, aliases []string }

func shortNameFiles() nameFiles {
	const system = "/etc/containers"
	files := nameFiles{aliases: []string{"/var/cache/containers/short-name-aliases.conf"}}
	var user string
	if home, err := os.UserHomeDir(); err == nil {
		user = filepath.Join(home, ".config/containers")
	}
	if cache, err := os.UserCacheDir(); err == nil && unshare.GetRootlessUID() != 0 { // also in `podman unshare`
		files.aliases = []string{filepath.Join(cache, "containers/short-name-aliases.conf")}
	}
	dirs := []string{system, user}
	switch chosen := os.Getenv("CONTAINERS_REGISTRIES_CONF"); {
	case chosen != "":
		files.config = []string{chosen}
	case user != "" && exists(filepath.Join(user, "registries.conf")):
		files.config, dirs = []string{filepath.Join(user, "registries.conf")}, []string{user}
	default:
		files.config = []string{filepath.Join(system, "registries.conf")}
	}
	for _, dir := range dirs {
		more, err := filepath.Glob(filepath.Join(dir, "registries.conf.d", "*.conf"))
		if err == nil && dir != "" { // the pattern is well-formed
			files.config = append(files.config, more...)
		}
	}
	return files
}

// registriesFile is what is read of a file; nil is what the file does not say.
type registriesFile struct {
	Search  []string          `toml:"unqualified-search-registries"`
	Aliases map[string]string `toml:"aliases"`
}

func (f nameFiles) read() (*ShortNames, error) {
	found := &ShortNames{Aliases: make(map[string]string)}
	for _, path := range slices.Concat(f.config, f.aliases) {
		var file registriesFile
		_, err := toml.DecodeFile(path, &file)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			continue
		case isSystem(err):
			return nil, class.Wrap(class.Unavailable, err)
		case err != nil:
			return nil, class.Errorf(class.InvalidArgument, "%s cannot be understood: %w", path, err)
		}
		maps.Copy(found.Aliases, file.Aliases)
		if file.Search != nil {
			found.Registries = file.Search
		}
	}
	return found, nil
}

// candidates are the references that a short name with a tag or a digest may mean.
func (n *ShortNames) candidates(short string) ([]reference.Named, error) {
	name, rest := short, ""
	if i := strings.IndexAny(short, ":@"); i >= 0 {
		name, rest = short[:i], short[i:]
	}
	var full []string
	if alias := n.Aliases[name]; alias != "" {
		full = append(full, alias+rest)
	}
	for _, registry := range slices.Concat([]string{"localhost"}, n.Registries, []string{"docker.io"}) {
		full = append(full, registry+"/"+short)
	}
	var found []reference.Named
	for _, text := range full {
		ref, err := parseReference(text)
		if err != nil {
			return nil, class.Errorf(class.InvalidArgument, "%q, which %q may mean, is no reference: %w", text, short, err)
		}
		found = append(found, ref)
	}
	return found, nil
}

var _ jettison.ShortNamer = referenceStore{}

// Candidates returns what a name without a domain may mean, by
// [Options.ShortNames].
func (s referenceStore) Candidates(ctx context.Context, short string) ([]reference.Named, error) {
	if err := s.read(ctx); err != nil {
		return nil, err
	}
	names, err := s.owner.shortNames()
	if err != nil {
		return nil, err
	}
	found, err := names.candidates(short)
	if err != nil {
		return nil, err
	}
	if ref := s.ending(short); ref != nil {
		found = append(found, ref)
	}
	return found, nil
}

// ending is the only reference of the store that ends with a slash and the name;
// nil when there are several, or when the name may be the beginning of an ID, which
// Podman looks for before.
func (st *state) ending(short string) reference.Named {
	name, _, _ := strings.Cut(short, ":")
	var only string
	for full, img := range st.byName {
		if strings.HasPrefix(img.ID, name) {
			return nil
		}
		if strings.HasSuffix(full, "/"+short) {
			if only != "" {
				return nil
			}
			only = full
		}
	}
	ref, err := parseReference(only)
	if err != nil {
		return nil // nothing ends so
	}
	return ref
}
