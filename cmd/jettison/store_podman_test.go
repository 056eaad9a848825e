package main

import (
	"os"
	"testing"
)

// TestParsePodman shows what may stand after "podman:".
func TestParsePodman(t *testing.T) {
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		rest string
		want podmanPlace
	}{
		{"", podmanPlace{}},
		{"/srv/containers", podmanPlace{root: "/srv/containers"}},
		{"/srv/containers/", podmanPlace{root: "/srv/containers"}},
		{"containers", podmanPlace{root: dir + "/containers"}},
		{"vfs@/srv/containers", podmanPlace{driver: "vfs", root: "/srv/containers"}},
		{"overlay@/srv/containers+/run/containers", podmanPlace{"overlay", "/srv/containers", "/run/containers"}},
		{"/srv/containers+/run/containers", podmanPlace{root: "/srv/containers", runRoot: "/run/containers"}},
		{"/srv/c++/store+/run/c++", podmanPlace{root: "/srv/c++/store", runRoot: "/run/c++"}},
		{"/home/me@work/containers", podmanPlace{root: "/home/me@work/containers"}},
	} {
		if got, err := parsePodman(tc.rest); err != nil || got != tc.want {
			t.Errorf("parsePodman(%q): got %+v, %v, want %+v", tc.rest, got, err, tc.want)
		}
	}
	for _, rest := range []string{"@/srv", "vfs@", "+/run", "vfs@+/run"} {
		if got, err := parsePodman(rest); err == nil {
			t.Errorf("parsePodman(%q): got %+v, want an error", rest, got)
		}
	}
}
