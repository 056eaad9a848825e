//go:build interop

package interop_test

import (
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// set carries out a line that sets the scene:
//
//	build NAME [from=IMAGE] [label=KEY=VALUE] [time=SECONDS] [tag=REF] [layers=N] [keep]
//	container NAME ARG...           podman create, of a container that never runs
//	list NAME ARG...                podman manifest create, with NAME for a name
//	podman ARG...                   any other work
//	damage IMAGE manifest|config    takes a document of the image away
//	alike IMAGE OTHER               gives it an ID that begins as the other's
//
// $NAME is the ID of what has this name, ${NAME:4} its first four digits, and
// ${NAME@digest} the digest of its manifest.
//
// An image of N layers has N-1 intermediate images, NAME.1 the lowest. One that
// keeps leaves the container behind in which it was built, as another program's.
func (s *site) set(line string) {
	s.t.Helper()
	verb, args := s.words(line)
	switch verb {
	case "build":
		s.build(args[0], args[1:])
	case "podman":
		s.must(args...)
	case "container":
		id := s.must(slices.Concat([]string{"create", "--name", args[0]}, args[1:], []string{"/none"})...)
		s.ids[args[0]] = strings.TrimSpace(id)
	case "list":
		s.ids[args[0]] = strings.TrimSpace(s.must(append([]string{"manifest", "create"}, args...)...))
	case "damage":
		s.damage(args[0], args[1])
	case "alike":
		s.alike(args[0], args[1])
	default:
		s.t.Fatalf("no such line: %s", line)
	}
}

// words are those of the line, with IDs for names.
func (s *site) words(line string) (first string, rest []string) {
	words := strings.Fields(line)
	for i, word := range words {
		words[i] = os.Expand(word, s.expand)
	}
	return words[0], words[1:]
}

// expand tells what $NAME stands for, and remembers it: answers may quote it.
func (s *site) expand(expr string) string {
	s.t.Helper()
	name, digits, short := strings.Cut(expr, ":")
	if name, isDigest := strings.CutSuffix(name, "@digest"); isDigest {
		return s.digestOf(name)
	}
	id := s.idOf(name)
	if short {
		n, err := strconv.Atoi(digits)
		if err != nil {
			s.t.Fatal(err)
		}
		id = id[:n]
		s.typed[id] = expr
	}
	return id
}

// build builds an image, reproducibly, and learns the IDs of what it made.
func (s *site) build(name string, options []string) {
	s.t.Helper()
	before := s.recorded("images")
	from, layers, cached, time, labels := "scratch", 1, false, "0", []string(nil)
	args := []string{"build", "-q", "--isolation", "chroot"}
	for _, option := range options {
		key, value, _ := strings.Cut(option, "=")
		switch key {
		case "from":
			from = s.idOf(value)
		case "label":
			labels = append(labels, "LABEL "+value)
		case "time":
			time = value
		case "tag":
			args = append(args, "-t", value)
		case "layers":
			cached = true
			if _, err := fmt.Sscan(value, &layers); err != nil {
				s.t.Fatal(err)
			}
		case "keep":
			args, cached = append(args, "--rm=false"), true
		default:
			s.t.Fatalf("build %s: what is %s", name, option)
		}
	}
	lines := []string{"FROM " + from}
	for i := range layers {
		s.write(fmt.Sprintf("context/%s.%d", name, i), strings.Repeat(name, 100*(i+1)))
		lines = append(lines, fmt.Sprintf("COPY %s.%d /", name, i))
	}
	s.write("context/Containerfile", strings.Join(append(lines, labels...), "\n"))
	args = append(args, "--timestamp", time, fmt.Sprintf("--layers=%t", cached), s.path("context"))
	s.ids[name] = strings.TrimSpace(s.must(args...))
	s.nameIntermediates(name, before)
}

func (s *site) nameIntermediates(name string, before []string) {
	s.t.Helper()
	n := 0
	for _, id := range s.recorded("images") {
		if id != s.ids[name] && !slices.Contains(before, id) {
			n++
			s.ids[fmt.Sprintf("%s.%d", name, n)] = id
		}
	}
}

func (s *site) idOf(name string) string {
	s.t.Helper()
	id, ok := s.ids[name]
	if !ok {
		s.t.Fatalf("nothing is called %s", name)
	}
	return id
}

func (s *site) digestOf(name string) string {
	s.t.Helper()
	for _, img := range s.records("images") {
		if img.ID == s.idOf(name) {
			return img.Digest
		}
	}
	s.t.Fatalf("there is no image %s", name)
	return ""
}

// damage takes a document of an image away.
func (s *site) damage(name, document string) {
	s.t.Helper()
	dir := filepath.Join(s.path(s.inside("-images")), s.idOf(name))
	keys := []string{"sha256:" + s.idOf(name)}
	if document == "manifest" {
		keys = []string{"manifest", "manifest-" + s.digestOf(name)}
	}
	for _, key := range keys {
		if err := os.Remove(filepath.Join(dir, fileName(key))); err != nil {
			s.t.Fatal(err)
		}
	}
}

// fileName is the name of the file in which the store keeps a document.
func fileName(key string) string {
	if !strings.Contains(key, ":") {
		return key
	}
	return "=" + base64.StdEncoding.EncodeToString([]byte(key))
}

// alike gives an image another ID, one whose first half is that of the other.
func (s *site) alike(name, other string) {
	s.t.Helper()
	old, file := s.idOf(name), s.path(s.inside("-images/images.json"))
	id := s.idOf(other)[:32] + old[32:]
	data, err := os.ReadFile(file)
	if err == nil {
		err = os.WriteFile(file, []byte(strings.Replace(string(data), `"id":"`+old, `"id":"`+id, 1)), 0o600)
	}
	if err == nil {
		err = os.Rename(filepath.Join(filepath.Dir(file), old), filepath.Join(filepath.Dir(file), id))
	}
	if err != nil {
		s.t.Fatal(err)
	}
	s.ids[name] = id
}
