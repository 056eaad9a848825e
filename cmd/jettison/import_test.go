package main

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
)

// An import from a server says how much is to come; what the server refuses is
// the error.
func TestImportURL(t *testing.T) {
	server := httptest.NewServer(http.StripPrefix("/images/", http.FileServer(http.Dir("../../testdata/images"))))
	defer server.Close()
	for _, tc := range []struct {
		name, url      string
		status         int
		stdout, stderr string
	}{
		{"there", server.URL + "/images/rootfs.tar", 0, `^sha256:[0-9a-f]{64}\n$`, `^Downloading an archive of 20\.48kB\n$`},
		{"not there", server.URL + "/images/nothing.tar", exitFailed, `^$`, `^Error: the server answers to .*/images/nothing.tar with 404 Not Found\n$`},
		{"a page", server.URL + "/images/", exitFailed, `^$`, `is no tar archive`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			cmd := exec.CommandContext(t.Context(), "jettison", "--store", filepath.Join(t.TempDir(), "store"), "import", tc.url)
			var stdout, stderr bytes.Buffer
			cmd.Stdout, cmd.Stderr = &stdout, &stderr
			_ = cmd.Run() // the status is looked at
			if got := cmd.ProcessState.ExitCode(); got != tc.status {
				t.Errorf("got exit status %d, want %d", got, tc.status)
			}
			if !regexp.MustCompile(tc.stdout).MatchString(stdout.String()) {
				t.Errorf("standard output %q, want %s", stdout.String(), tc.stdout)
			}
			if !regexp.MustCompile(tc.stderr).MatchString(stderr.String()) {
				t.Errorf("standard error %q, want %s", stderr.String(), tc.stderr)
			}
		})
	}
}
