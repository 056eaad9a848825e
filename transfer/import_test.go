package transfer_test

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	dockerspec "github.com/moby/docker-image-spec/specs-go/v1"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/diskstore"
	"github.com/jettison-oci/jettison/transfer"
)

// epoch is a time at which images of tests are made.
func epoch() time.Time { return time.Unix(1_700_000_000, 0) }

// configIn reads the configuration of an image in a store.
func configIn(t testing.TB, store *diskstore.Store, id digest.Digest) dockerspec.DockerOCIImage {
	t.Helper()
	blob, err := store.Blob(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	defer blob.Close() //nolint:errcheck // only read
	var config dockerspec.DockerOCIImage
	if err := json.NewDecoder(blob).Decode(&config); err != nil {
		t.Fatal(err)
	}
	return config
}

// However the archive comes, it is the same image.
func TestImport(t *testing.T) {
	data := real(t, "rootfs.tar")
	created := epoch().UTC()
	want := dockerspec.DockerOCIImage{}
	want.Created, want.Platform = &created, linux("arm64")
	want.RootFS = ocispec.RootFS{Type: "layers", DiffIDs: []digest.Digest{digest.FromBytes(data)}}
	want.History = []ocispec.History{{Created: &created, Comment: "by hand"}}
	want.Config.User = "www"
	opts := transfer.ImportOptions{
		Name: named(t, "site"), Changes: []string{"USER www"}, Message: "by hand", Platform: linux("arm64"), Created: epoch(),
	}
	for form, data := range map[string][]byte{"plain": data, "gzip": gzipped(t, data), "zstd": zstandard(t, data)} {
		t.Run(form, func(t *testing.T) {
			store := newStore(t)
			report, err := transfer.Import(t.Context(), store, writeFile(t, data), opts)
			if err != nil {
				t.Fatal(err)
			}
			checkReport(t, store, report, []string{"site:latest"}, nil)
			if diff := cmp.Diff(configIn(t, store, report.Images[0].ID), want); diff != "" {
				t.Errorf("configuration (-got +want):\n%s", diff)
			}
			before := dump(t, store)
			opts.Created = epoch().In(time.FixedZone("elsewhere", 3600)) // the same time
			streamed, err := transfer.ImportReader(t.Context(), store, io.MultiReader(bytes.NewReader(data)), opts)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(describe(streamed), describe(report)); diff != "" {
				t.Errorf("from a stream (-got +want):\n%s", diff)
			}
			if diff := cmp.Diff(dump(t, store), before); diff != "" {
				t.Errorf("store after another import (-got +want):\n%s", diff)
			}
		})
	}
}

// Without options, an image is for this machine, made now, and has no name.
func TestImportDefaults(t *testing.T) {
	store, begin := newStore(t), time.Now()
	report, err := transfer.Import(t.Context(), store, writeFile(t, real(t, "rootfs.tar")), transfer.ImportOptions{})
	if err != nil {
		t.Fatal(err)
	}
	config := configIn(t, store, report.Images[0].ID)
	if config.Architecture != runtime.GOARCH || config.Created.Before(begin) || config.Created.After(time.Now()) ||
		config.History[0].Comment != "Imported from -" || report.Images[0].Names != nil {
		t.Errorf("configuration %+v, names %v", config, report.Images[0].Names)
	}
}

// A name that moves is reported; one with a digest makes no sense.
func TestImportNames(t *testing.T) {
	store := newStore(t)
	loaded := loadData(t, store, real(t, "podman-oci-archive.tar"))
	report, err := transfer.Import(t.Context(), store, writeFile(t, real(t, "rootfs.tar")), transfer.ImportOptions{Name: named(t, "localhost/app:1.0")})
	if err != nil {
		t.Fatal(err)
	}
	if len(report.Moved) != 1 || report.Moved[0].From != loaded.Images[0].ID {
		t.Errorf("moved %v, want the name of %s", report.Moved, loaded.Images[0].ID)
	}
	_, err = transfer.Import(t.Context(), store, "nothing", transfer.ImportOptions{Name: named(t, "app@"+loaded.Images[0].ID.String())})
	if !errors.Is(err, jettison.ErrInvalidArgument) {
		t.Errorf("err = %v, want class InvalidArgument", err)
	}
}

// serve answers as the path says: with a status, with part of a file, or with
// the whole of it.
func serve(t testing.TB, data []byte) string {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/rootfs.tar":
			http.ServeContent(w, r, "rootfs.tar", time.Time{}, bytes.NewReader(data))
		case "/moved":
			http.Redirect(w, r, "/rootfs.tar", http.StatusFound)
		case "/short":
			w.Header().Set("Content-Length", "20480")
			_, _ = w.Write(data[:10000])
		case "/busy":
			w.WriteHeader(http.StatusServiceUnavailable)
		case "/secret":
			w.WriteHeader(http.StatusForbidden)
		default:
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(server.Close)
	return server.URL
}

func TestImportURL(t *testing.T) {
	data := real(t, "rootfs.tar")
	url := serve(t, data)
	for _, page := range []string{"/rootfs.tar", "/moved"} {
		var last transfer.Progress
		store := newStore(t)
		report, err := transfer.Import(t.Context(), store, url+page, transfer.ImportOptions{Progress: func(p transfer.Progress) { last = p }})
		if err != nil {
			t.Fatal(err)
		}
		if want := (transfer.Progress{Item: "archive", Done: int64(len(data)), Total: int64(len(data))}); last != want {
			t.Errorf("%s: progress ends with %+v, want %+v", page, last, want)
		}
		if got, want := configIn(t, store, report.Images[0].ID).History[0].Comment, "Imported from "+url+page; got != want {
			t.Errorf("comment %q, want %q", got, want)
		}
	}
	for page, want := range map[string]struct {
		class error
		text  string
	}{
		"/nothing": {jettison.ErrNotFound, "the server answers to " + url + "/nothing with 404 Not Found"},
		"/secret":  {jettison.ErrInvalidArgument, "with 403 Forbidden"},
		"/busy":    {jettison.ErrUnavailable, "with 503 Service Unavailable"},
		"/short":   {jettison.ErrUnavailable, "unexpected EOF"},
	} {
		store := newStore(t)
		_, err := transfer.Import(t.Context(), store, url+page, transfer.ImportOptions{})
		if !errors.Is(err, want.class) || !strings.Contains(err.Error(), want.text) {
			t.Errorf("%s: err = %v, want %q of class %v", page, err, want.text, want.class)
		}
		if rest := dump(t, store); len(rest) > 0 {
			t.Errorf("%s: left behind: %q", page, rest)
		}
	}
	_, err := transfer.Import(t.Context(), newStore(t), "http://127.0.0.1:1/x", transfer.ImportOptions{})
	if !errors.Is(err, jettison.ErrUnavailable) {
		t.Errorf("err = %v, want class Unavailable", err)
	}
	_, err = transfer.Import(t.Context(), newStore(t), "ftp://127.0.0.1/x", transfer.ImportOptions{})
	if !errors.Is(err, jettison.ErrInvalidArgument) {
		t.Errorf("err = %v, want class InvalidArgument", err)
	}
	secret := strings.Replace(url, "http://", "http://me:hidden@", 1)
	_, err = transfer.Import(t.Context(), newStore(t), secret+"/nothing", transfer.ImportOptions{})
	if err == nil || strings.Contains(err.Error(), "hidden") {
		t.Errorf("err = %v, want one without the password", err)
	}
}

// What is no root file system is refused, and leaves nothing.
func TestImportRefuses(t *testing.T) {
	data := real(t, "rootfs.tar")
	for _, tt := range []struct {
		name string
		data []byte
		want string
	}{
		{"nothing", nil, "is empty"},
		{"compressed nothing", gzipped(t, nil), "is empty"},
		{"text", []byte(strings.Repeat("no archive\n", 100)), "is no tar archive"},
		{"short text", []byte("hello"), "is no tar archive"},
		{"truncated", data[:5000], "ends too early"},
		{"truncated gzip", gzipped(t, data)[:200], "ends too early"},
		{"xz", append([]byte("\xfd7zXZ\x00"), data...), "only gzip and zstd are supported"},
		{"compressed twice", gzipped(t, gzipped(t, data)), "is no tar archive"},
		{"damaged", append(bytes.Clone(data[:512]), bytes.Repeat([]byte("x"), 4096)...), "damaged after entry etc/"},
		{"a way out", pack(t, file{name: "../etc/passwd", body: []byte("x")}), `entry "../etc/passwd" leads out of the root file system`},
		{"a long way out", pack(t, file{name: "a/../../b", body: []byte("x")}), "leads out of the root file system"},
		{"a way out from the root", pack(t, file{name: "/../b", body: []byte("x")}), "leads out of the root file system"},
		{"a hard link out", pack(t, file{name: "a", kind: tar.TypeLink, link: "../../etc/passwd"}), "is a link to \"../../etc/passwd\""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			store, path := newStore(t), writeFile(t, tt.data)
			_, err := transfer.Import(t.Context(), store, path, transfer.ImportOptions{})
			checkRefusal(t, err, path, badInput{want: tt.want})
			if rest := dump(t, store); len(rest) > 0 {
				t.Errorf("left behind: %q", rest)
			}
		})
	}
	store := newStore(t)
	_, err := transfer.Import(t.Context(), store, t.TempDir(), transfer.ImportOptions{})
	if !errors.Is(err, jettison.ErrInvalidArgument) || !strings.Contains(err.Error(), "is a directory") {
		t.Errorf("directory: err = %v", err)
	}
	_, err = transfer.Import(t.Context(), store, filepath.Join(t.TempDir(), "nothing"), transfer.ImportOptions{})
	if !errors.Is(err, jettison.ErrNotFound) {
		t.Errorf("nothing: err = %v, want class NotFound", err)
	}
}

// Symbolic links may lead anywhere, absolute names count from the root, and an
// archive of nothing is one.
func TestImportAccepts(t *testing.T) {
	for name, data := range map[string][]byte{
		"links":    pack(t, file{name: "./sh", kind: tar.TypeSymlink, link: "../../bin/busybox"}, file{name: "/etc/x"}),
		"no entry": pack(t),
	} {
		if _, err := transfer.Import(t.Context(), newStore(t), writeFile(t, data), transfer.ImportOptions{}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A bomb is stopped at the limit.
func TestImportMaxSize(t *testing.T) {
	data := real(t, "rootfs.tar")
	store, path := newStore(t), writeFile(t, zstandard(t, data))
	_, err := transfer.Import(t.Context(), store, path, transfer.ImportOptions{MaxSize: int64(len(data)) - 1})
	var large *transfer.TooLargeError
	if !errors.As(err, &large) || !errors.Is(err, jettison.ErrInvalidArgument) {
		t.Errorf("err = %v, want a TooLargeError", err)
	}
	if rest := dump(t, store); len(rest) > 0 {
		t.Errorf("left behind: %q", rest)
	}
	if _, err := transfer.Import(t.Context(), store, path, transfer.ImportOptions{MaxSize: int64(len(data))}); err != nil {
		t.Error(err)
	}
}

// An import ends with its context, even if nobody says anything any more.
func TestImportCancelled(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close() //nolint:errcheck // the test is over
	if _, err := w.Write(real(t, "rootfs.tar")[:5000]); err != nil {
		t.Fatal(err)
	}
	store := newStore(t)
	checkEnds(t, store, "(stream)", func(ctx context.Context) error {
		_, err := transfer.ImportReader(ctx, store, r, transfer.ImportOptions{})
		return err
	})
}
