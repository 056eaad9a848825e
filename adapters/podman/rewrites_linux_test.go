package podman_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/jettison-oci/jettison"
)

// rewrites runs fn and counts how often files of records are replaced meanwhile, as
// the kernel tells: the library writes a new file each time and renames it.
func (f *fixture) rewrites(fn func()) map[string]int {
	f.t.Helper()
	fd, err := unix.InotifyInit1(unix.IN_NONBLOCK | unix.IN_CLOEXEC)
	f.check(err)
	defer func() { f.check(unix.Close(fd)) }()
	for _, dir := range []string{"vfs-images", "vfs-layers", "vfs-containers"} {
		_, err := unix.InotifyAddWatch(fd, filepath.Join(f.root, dir), unix.IN_MOVED_FROM|unix.IN_MOVED_TO) // two of one kind would be told as one
		f.check(err)
	}
	fn()
	count := make(map[string]int)
	for buf := make([]byte, 1<<16); ; {
		n, err := unix.Read(fd, buf)
		if errors.Is(err, unix.EAGAIN) {
			return count
		}
		f.check(err)
		for rest := buf[:n]; len(rest) > 0; {
			end := unix.SizeofInotifyEvent + int(binary.NativeEndian.Uint32(rest[12:]))
			if binary.NativeEndian.Uint32(rest[4:])&unix.IN_MOVED_TO != 0 {
				count[string(bytes.TrimRight(rest[unix.SizeofInotifyEvent:end], "\x00"))]++
			}
			rest = rest[end:]
		}
	}
}

// Removing an image with all its names rewrites the records of images once. Those of layers the library
// rewrites twice for each layer that goes.
func TestRewrites(t *testing.T) {
	for name, test := range map[string]struct {
		remove []string
		opts   jettison.RemoveOptions
		want   map[string]int
	}{
		"a name": {[]string{"localhost/a:1"}, jettison.RemoveOptions{}, map[string]int{"images.json": 1}},
		"names":  {[]string{"localhost/a:1", "localhost/b:1", "localhost/a:2"}, jettison.RemoveOptions{}, map[string]int{"images.json": 3}},
		"the last name": {
			[]string{"localhost/c:1"},
			jettison.RemoveOptions{},
			map[string]int{"images.json": 1, "layers.json": 2},
		},
		"all names":         {[]string{"a"}, jettison.RemoveOptions{Force: true}, map[string]int{"images.json": 1, "layers.json": 2}},
		"what is not there": {[]string{"localhost/d:1"}, jettison.RemoveOptions{}, map[string]int{}},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			ids := make(map[string]string)
			for _, image := range []string{"a", "b"} {
				var names []string
				for i := range 3 {
					names = append(names, fmt.Sprintf("localhost/%s:%d", image, i+1))
				}
				ids[image] = f.image(spec{layers: []string{"os", image}, names: names}).id.String()
			}
			f.image(spec{layers: []string{"os", "c"}, names: []string{"localhost/c:1"}})
			var remove []string
			for _, text := range test.remove {
				if id, ok := ids[text]; ok {
					text = id
				}
				remove = append(remove, text)
			}
			service := jettison.New(f.backend(nil), nil)
			got := f.rewrites(func() {
				_, err := service.ImagesDelete(t.Context(), remove, test.opts)
				f.check(err)
			})
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("rewrites (-want +got):\n%s", diff)
			}
			if left := f.problems(); len(left) > 0 {
				t.Errorf("problems: %q", left)
			}
		})
	}
}
