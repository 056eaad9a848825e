package etcdkv_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	pb "go.etcd.io/etcd/api/v3/etcdserverpb"

	"github.com/jettison-oci/jettison/internal/class"
	"github.com/jettison-oci/jettison/kv/etcdkv"
)

// put writes a key past the package.
func (f *fake) put(t testing.TB, key, value string) {
	t.Helper()
	if _, err := f.Put(t.Context(), &pb.PutRequest{Key: []byte(key), Value: []byte(value)}); err != nil {
		t.Fatal(err)
	}
}

// remove removes a key past the package.
func (f *fake) remove(t testing.TB, key string) {
	t.Helper()
	if _, err := f.DeleteRange(t.Context(), &pb.DeleteRangeRequest{Key: []byte(key)}); err != nil {
		t.Fatal(err)
	}
}

func TestNewerFormat(t *testing.T) {
	f, address := newFake(t)
	f.put(t, "/jettison/format", "2")
	_, err := etcdkv.New(t.Context(), client(t, address), nil)
	var format *etcdkv.FormatError
	if !errors.As(err, &format) {
		t.Fatalf("got %v, want a FormatError", err)
	}
	if diff := cmp.Diff(etcdkv.FormatError{Prefix: "/jettison/", Found: 2, Supported: 1}, *format); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	checkOneClass(t, err, class.InvalidArgument)
}

// Keys of something else are not taken for a store, and are left as they are.
func TestKeysOfSomethingElse(t *testing.T) {
	f, address := newFake(t)
	f.put(t, "/jettison/registry", "x")
	_, err := etcdkv.New(t.Context(), client(t, address), nil)
	checkOneClass(t, err, class.InvalidArgument)
	if err == nil || !strings.Contains(err.Error(), `"/jettison/registry"`) {
		t.Errorf("error %v does not name the key", err)
	}
	if got := f.names(""); len(got) != 1 {
		t.Errorf("keys %q, want the one alone", got)
	}
}

// Stores with several prefixes do not see each other, and the same one opened again
// is as it was. Whoever comes second makes no other.
func TestStoresShareACluster(t *testing.T) {
	f, address := newFake(t)
	one := openAt(t, address, &etcdkv.Options{Prefix: "/a"})
	two := openAt(t, address, &etcdkv.Options{Prefix: "/ab/"})
	for db, value := range map[*etcdkv.DB]string{one: "1", two: "2"} {
		if err := putAll(t.Context(), db, map[string]string{"key": value}); err != nil {
			t.Fatal(err)
		}
	}
	checkEntries(t, one, map[string]string{"key": "1"})
	checkEntries(t, openAt(t, address, &etcdkv.Options{Prefix: "/ab"}), map[string]string{"key": "2"})
	if diff := cmp.Diff([]string{"/a/format", "/a/head", "/a/k/key", "/ab/format", "/ab/head", "/ab/k/key"}, f.names("")); diff != "" {
		t.Errorf("keys (-want +got):\n%s", diff)
	}
}

// What is damaged is said with its key, by Views and by Updates, which
// write nothing.
func TestDamage(t *testing.T) {
	logKey := func(f *fake) string { return f.names("/jettison/log/")[0] }
	head := func(*fake) string { return "/jettison/head" }
	for name, c := range map[string]struct {
		key   func(*fake) string
		harm  func(*fake, testing.TB, string)
		names string
	}{
		"head garbled": {head, func(f *fake, t testing.TB, key string) { f.put(t, key, "x") }, "/jettison/head"},
		"head gone":    {head, (*fake).remove, "/jettison/head"},
		"log garbled":  {logKey, func(f *fake, t testing.TB, key string) { f.put(t, key, "\x01xxxxxxxx") }, "/jettison/log/"},
		"log gone":     {logKey, (*fake).remove, "/jettison/log/"},
	} {
		t.Run(name, func(t *testing.T) {
			f, address := newFake(t)
			db := openAt(t, address, few)
			ended := f.cut(2, fault{err: errRefused}) // the log and its head are written
			if err := putAll(t.Context(), db, many("a", 30, "1")); err != nil {
				t.Fatal(err)
			}
			ended()
			c.harm(f, t, c.key(f))
			_, err := entriesOf(t.Context(), db, "")
			checkDamage(t, err, c.names)
			checkDamage(t, putAll(t.Context(), db, map[string]string{"b": "1"}), c.names)
			// Entries of the log may still come: they are requests that were under way.
			if got := f.names("/jettison/k/b"); len(got) > 0 {
				t.Errorf("an update upon damage has written %q", got)
			}
		})
	}
	f, address := newFake(t)
	f.put(t, "/jettison/format", "x")
	_, err := etcdkv.New(t.Context(), client(t, address), nil)
	checkDamage(t, err, "/jettison/format")
}

func checkDamage(t testing.TB, err error, key string) {
	t.Helper()
	checkOneClass(t, err, class.Internal)
	if err == nil || !strings.Contains(err.Error(), key) {
		t.Errorf("error %v does not name %s", err, key)
	}
}
