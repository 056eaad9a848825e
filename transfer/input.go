package transfer

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"strings"

	"github.com/jettison-oci/jettison/internal/class"
)

// isURL reports whether from is to be got from a server.
func isURL(from string) bool { return strings.Contains(from, "://") }

// redacted is from without the password that may be in it if it is a URL.
func redacted(from string) string {
	if u, err := url.Parse(from); err == nil && isURL(from) {
		return u.Redacted()
	}
	return from
}

// openInput opens the file or the URL and returns how many bytes it has, or -1
// when nobody knows.
func openInput(ctx context.Context, from string, client *http.Client) (io.ReadCloser, int64, error) {
	if isURL(from) {
		return get(ctx, from, client)
	}
	info, err := os.Stat(from)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, 0, class.Errorf(class.NotFound, "no such archive: %w", err)
	}
	if err != nil {
		return nil, 0, located(from, "", err)
	}
	if info.Mode()&fs.ModeNamedPipe != 0 {
		file, err := openPipe(ctx, from)
		if err != nil {
			return nil, 0, located(from, "", err)
		}
		return patientFile{newPatient(ctx, file), file}, -1, nil
	}
	if err := wantRegular(info); err != nil {
		return nil, 0, located(from, "", err)
	}
	file, err := os.Open(from)
	return file, info.Size(), located(from, "", err)
}

// A patientFile is a pipe that is read no longer than a context lives.
type patientFile struct {
	io.Reader
	io.Closer
}

// get asks a server for what is at a URL.
func get(ctx context.Context, from string, client *http.Client) (io.ReadCloser, int64, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, from, http.NoBody)
	if err != nil {
		return nil, 0, class.Errorf(class.InvalidArgument, "the URL cannot be understood: %w", err)
	}
	if scheme := request.URL.Scheme; scheme != "http" && scheme != "https" {
		return nil, 0, class.Errorf(class.InvalidArgument, "the scheme %q of the URL is not supported: want http or https", scheme)
	}
	request.Header.Set("Accept-Encoding", "identity") // so that the size is that of what comes
	if client == nil {
		client = http.DefaultClient
	}
	response, err := client.Do(request)
	if err != nil {
		return nil, 0, class.Wrap(class.Unavailable, err) // names the URL
	}
	if response.StatusCode != http.StatusOK {
		_ = response.Body.Close() // nothing of it is of use
		return nil, 0, class.Errorf(classOf(response.StatusCode), "the server answers to %s with %s", redacted(from), response.Status)
	}
	return response.Body, response.ContentLength, nil
}

// classOf is the class of an answer with this status.
func classOf(status int) error {
	switch {
	case status == http.StatusNotFound || status == http.StatusGone:
		return class.NotFound
	case status >= http.StatusInternalServerError, status == http.StatusTooManyRequests, status == http.StatusRequestTimeout:
		return class.Unavailable
	default:
		return class.InvalidArgument
	}
}
