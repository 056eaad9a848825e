package transfer

import (
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	dockerspec "github.com/moby/docker-image-spec/specs-go/v1"

	"github.com/jettison-oci/jettison/internal/class"
)

// A changer applies the instructions of a Dockerfile that only change the
// configuration of an image. What they mean is what they mean to docker import.
type changer struct {
	config dockerspec.DockerOCIImageConfig
	// commanded says that CMD was given: then ENTRYPOINT leaves it alone.
	commanded bool
}

// An instruction is one line of changes.
type instruction struct {
	name  string   // in upper case
	flags []string // of HEALTHCHECK: --name=value
	rest  string   // without space around it
}

// applyChanges returns the configuration that the changes make.
func applyChanges(changes []string) (dockerspec.DockerOCIImageConfig, error) {
	var c changer
	for _, line := range changeLines(changes) {
		if err := c.apply(newInstruction(line)); err != nil {
			return c.config, class.Errorf(class.InvalidArgument, "change %q: %w", line, err)
		}
	}
	return c.config, nil
}

// changeLines splits changes into instructions, as the lines of a Dockerfile:
// one that ends with a backslash goes on in the next.
func changeLines(changes []string) []string {
	var lines []string
	open := ""
	for line := range strings.SplitSeq(strings.Join(changes, "\n"), "\n") {
		text := strings.TrimSpace(line)
		if strings.HasPrefix(text, "#") || text == "" {
			continue
		}
		begin, more := strings.CutSuffix(strings.TrimRight(line, " \t\r"), `\`)
		open += begin
		if more {
			continue
		}
		lines = append(lines, strings.TrimSpace(open))
		open = ""
	}
	if open = strings.TrimSpace(open); open != "" {
		lines = append(lines, open)
	}
	return lines
}

// newInstruction tells the parts of an instruction apart.
func newInstruction(line string) instruction {
	name, rest := cutSpace(line)
	in := instruction{name: strings.ToUpper(name), rest: rest}
	for strings.HasPrefix(in.rest, "--") {
		var flag string
		if flag, in.rest = cutSpace(in.rest); flag == "--" {
			break
		}
		in.flags = append(in.flags, flag)
	}
	return in
}

// cutSpace splits text after its first word.
func cutSpace(text string) (word, rest string) {
	text = strings.TrimSpace(text)
	if i := strings.IndexAny(text, " \t\r\v\f"); i >= 0 {
		return text[:i], strings.TrimSpace(text[i:])
	}
	return text, ""
}

// apply carries out one instruction.
func (c *changer) apply(in instruction) error {
	apply, ok := map[string]func(instruction) error{
		"CMD": c.cmd, "ENTRYPOINT": c.entrypoint, "ENV": c.env, "EXPOSE": c.expose,
		"HEALTHCHECK": c.healthcheck, "LABEL": c.label, "ONBUILD": c.onBuild,
		"STOPSIGNAL": c.stopSignal, "USER": c.user, "VOLUME": c.volume, "WORKDIR": c.workdir,
	}[in.name]
	switch {
	case !ok:
		return fmt.Errorf("%s is not a valid change command", in.name)
	case in.rest == "":
		return fmt.Errorf("%s needs an argument", in.name)
	case len(in.flags) > 0 && in.name != "HEALTHCHECK":
		return fmt.Errorf("unknown flag: %s", in.flags[0])
	}
	return apply(in)
}

func (c *changer) cmd(in instruction) (err error) {
	c.config.Cmd, err = command(in.rest)
	c.commanded = true
	return err
}

func (c *changer) entrypoint(in instruction) (err error) {
	c.config.Entrypoint, err = command(in.rest)
	if !c.commanded {
		c.config.Cmd = nil
	}
	return err
}

// command is a command line: a JSON array as it is, anything else for a shell.
func command(text string) ([]string, error) {
	words, isList, err := jsonList(text)
	if err != nil || isList {
		return words, err
	}
	return []string{"/bin/sh", "-c", text}, nil
}

// jsonList reads a JSON array of strings. What is not even an array in JSON is
// taken for something else.
func jsonList(text string) (words []string, isList bool, err error) {
	var values []any
	if !strings.HasPrefix(text, "[") || json.Unmarshal([]byte(text), &values) != nil {
		return nil, false, nil
	}
	words = make([]string, len(values))
	for i, value := range values {
		word, ok := value.(string)
		if !ok {
			return nil, true, errors.New("a JSON array here has strings only")
		}
		words[i] = word
	}
	return words, true, nil
}

func (c *changer) env(in instruction) error {
	pairs, err := c.pairs(in)
	for _, pair := range pairs {
		entry := pair.key + "=" + pair.value
		same := func(old string) bool { return strings.HasPrefix(old, pair.key+"=") }
		if i := slices.IndexFunc(c.config.Env, same); i >= 0 {
			c.config.Env[i] = entry
		} else {
			c.config.Env = append(c.config.Env, entry)
		}
	}
	return err
}

func (c *changer) label(in instruction) error {
	pairs, err := c.pairs(in)
	if c.config.Labels == nil {
		c.config.Labels = make(map[string]string)
	}
	for _, pair := range pairs {
		c.config.Labels[pair.key] = pair.value
	}
	return err
}

// A pair is what ENV or LABEL sets.
type pair struct{ key, value string }

// pairs reads key=value pairs, or, in the old form, one key and its value after
// a space.
func (c *changer) pairs(in instruction) ([]pair, error) {
	var pairs []pair
	words := splitWords(in.rest)
	if !strings.Contains(words[0], "=") {
		key, value := cutSpace(in.rest)
		if value == "" {
			return nil, fmt.Errorf("%s must have two arguments", in.name)
		}
		words = []string{key + "=" + value}
	}
	for _, word := range words {
		key, value, ok := strings.Cut(word, "=")
		switch {
		case !ok:
			return nil, fmt.Errorf("there is no = in %q: want name=value", word)
		case key == "":
			return nil, fmt.Errorf("%s names can not be blank", in.name)
		}
		pairs = append(pairs, pair{key, value})
	}
	for i := range pairs {
		var err error
		if pairs[i].key, err = c.expand(pairs[i].key); err != nil {
			return nil, err
		}
		if pairs[i].value, err = c.expand(pairs[i].value); err != nil {
			return nil, err
		}
	}
	return pairs, nil
}

func (c *changer) expose(in instruction) error {
	text, err := c.expand(in.rest)
	if err != nil {
		return err
	}
	if c.config.ExposedPorts == nil {
		c.config.ExposedPorts = make(map[string]struct{})
	}
	for spec := range strings.FieldsSeq(text) {
		ports, err := parsePorts(spec)
		if err != nil {
			return err
		}
		for _, port := range ports {
			c.config.ExposedPorts[port] = struct{}{}
		}
	}
	return nil
}

// onBuild keeps an instruction for a later build, which understands it.
func (c *changer) onBuild(in instruction) error {
	first, _ := cutSpace(in.rest)
	switch first = strings.ToUpper(first); first {
	case "ONBUILD", "FROM", "MAINTAINER":
		return fmt.Errorf("%s isn't allowed as an ONBUILD trigger", first)
	}
	c.config.OnBuild = append(c.config.OnBuild, in.rest)
	return nil
}

func (c *changer) stopSignal(in instruction) error {
	name, err := c.expand(in.rest)
	if err == nil {
		err = checkSignal(name)
	}
	c.config.StopSignal = name
	return err
}

func (c *changer) user(in instruction) (err error) {
	c.config.User, err = c.expand(in.rest)
	return err
}

func (c *changer) volume(in instruction) error {
	list, isList, err := jsonList(in.rest)
	if err != nil {
		return err
	}
	if !isList {
		list = strings.Fields(in.rest)
	}
	if c.config.Volumes == nil {
		c.config.Volumes = make(map[string]struct{})
	}
	for _, item := range list {
		dir, err := c.expand(strings.TrimSpace(item))
		if err != nil {
			return err
		}
		if dir == "" {
			return errors.New("a volume can not be an empty string")
		}
		c.config.Volumes[dir] = struct{}{}
	}
	return nil
}

func (c *changer) workdir(in instruction) error {
	dir, err := c.expand(in.rest)
	switch {
	case err != nil:
		return err
	case dir == "":
		return errors.New("the directory is empty")
	case !path.IsAbs(dir):
		dir = path.Join("/", c.config.WorkingDir, dir)
	}
	c.config.WorkingDir = path.Clean(dir)
	return nil
}
