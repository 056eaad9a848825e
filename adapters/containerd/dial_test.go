package containerd_test

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/adapters/containerd"
)

// patience is how long a test waits for what should happen at once.
const patience = time.Minute

// What is wrong with an address is said at once, and is of the right class.
func TestDialRefusals(t *testing.T) {
	dir := shortDir(t)
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	dead := listen(t, filepath.Join(dir, "dead.sock"))
	dead.SetUnlinkOnClose(false)
	if err := dead.Close(); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name, address, text string
		class               error
	}{
		{"nothing", filepath.Join(dir, "none.sock"), "no such file", jettison.ErrUnavailable},
		{"below a file", filepath.Join(file, "c.sock"), "not a directory", jettison.ErrUnavailable},
		{"a file", file, "not a socket", jettison.ErrInvalidArgument},
		{"a directory", dir, "not a socket", jettison.ErrInvalidArgument},
		{"nobody listens", filepath.Join(dir, "dead.sock"), "refused", jettison.ErrUnavailable},
		{"as an URL", "unix://" + filepath.Join(dir, "dead.sock"), "refused", jettison.ErrUnavailable},
	} {
		t.Run(tc.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			_, _, err := containerd.Dial(ctx, tc.address, nil)
			wantRefusal(t, err, tc.class, tc.text)
			if ctx.Err() != nil {
				t.Errorf("it took %s to find out", patience)
			}
		})
	}
}

// An address may be written as an URL, and be relative.
func TestDial(t *testing.T) {
	address := new(taskDaemon).start(t)
	t.Chdir(filepath.Dir(address))
	for _, address := range []string{address, "unix://" + address, filepath.Base(address)} {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		_, c, err := containerd.Dial(ctx, address, nil)
		if err != nil {
			t.Errorf("%s: %v", address, err)
			continue
		}
		must(t, c.Close())
	}
}

// Who listens and does not answer, or says something else, is given up on when the
// context ends.
func TestDialGivesUp(t *testing.T) {
	for _, tc := range []struct {
		name  string
		serve func(net.Conn)
	}{
		{"says nothing", func(c net.Conn) { _, _ = io.Copy(io.Discard, c) }},
		{"says something else", func(c net.Conn) { _, _ = io.WriteString(c, "HTTP/1.1 400 Bad Request\r\n\r\n") }},
		{"hangs up", func(net.Conn) {}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			path := filepath.Join(shortDir(t), "c.sock")
			serve(listen(t, path), tc.serve)
			ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
			defer cancel()
			began := time.Now()
			_, _, err := containerd.Dial(ctx, path, nil)
			wantRefusal(t, err, jettison.ErrUnavailable, "")
			if took := time.Since(began); took > patience {
				t.Errorf("it took %s to give up", took)
			}
		})
	}
}

// A socket that may not be written to is Unavailable. Root may write to all:
// .ci/unprivileged runs this as somebody else.
func TestMissingRights(t *testing.T) {
	if os.Getuid() == 0 {
		t.Skip("root has all rights")
	}
	path := filepath.Join(shortDir(t), "c.sock")
	serve(listen(t, path), func(net.Conn) {})
	if err := os.Chmod(path, 0o400); err != nil {
		t.Fatal(err)
	}
	_, _, err := containerd.Dial(t.Context(), path, nil)
	wantRefusal(t, err, jettison.ErrUnavailable, "permission denied")
}

// wantRefusal checks class and text of an error.
func wantRefusal(t *testing.T, err, class error, text string) {
	t.Helper()
	if !errors.Is(err, class) {
		t.Fatalf("got error %v, want one of class %v", err, class)
	}
	for _, other := range []error{jettison.ErrInvalidArgument, jettison.ErrNotFound, jettison.ErrConflict, jettison.ErrUnavailable, jettison.ErrInternal} {
		if other != class && errors.Is(err, other) { //nolint:errorlint // the sentinels themselves
			t.Errorf("error %v is also of class %v", err, other)
		}
	}
	if !strings.Contains(err.Error(), text) {
		t.Errorf("got error %v, want one with %q", err, text)
	}
}

// shortDir is a directory whose path is short enough for a socket.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "dial") //nolint:usetesting // the path of t.TempDir may be too long
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) }) // what is left is in nobody's way
	return dir
}

func listen(t *testing.T, path string) *net.UnixListener {
	t.Helper()
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() }) // it may be closed already
	return l
}

// serve calls fn for each connection, and then ends that.
func serve(l net.Listener, fn func(net.Conn)) {
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close() //nolint:errcheck // nobody is there any more
				fn(conn)
			}()
		}
	}()
}

// must ends a test whose preparation fails.
func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}
