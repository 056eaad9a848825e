package kvstore

import (
	"bytes"
	"context"
	"maps"
	"slices"

	"github.com/opencontainers/go-digest"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/check"
	"github.com/jettison-oci/jettison/internal/audit"
	"github.com/jettison-oci/jettison/kv"
)

// checkContainers looks at all that there is of containers (rules C1 and C5).
// The records decide where they can be read. A container that cannot is one
// that may run: it is made again from the entries by which it is found.
func checkContainers(ctx context.Context, r kv.Reader, a *audit.Audit) error {
	c := &containerAudit{
		Audit: a,
		found: make(map[string]jettison.Container),
		bad:   make(map[string]string),
		names: make(map[string]string),
		uses:  make(map[string][]digest.Digest),
	}
	for prefix, load := range map[string]func(kv.Entry){
		containerPrefix: c.loadRecord, namePrefix: c.loadName, usePrefix: c.loadUse,
	} {
		for entry, err := range r.Scan(ctx, []byte(prefix)) {
			if err != nil {
				return err
			}
			load(entry)
		}
	}
	c.makeAgain()
	c.checkNames()
	c.checkUses()
	return nil
}

// A containerAudit is what an audit knows of containers.
type containerAudit struct {
	*audit.Audit
	found map[string]jettison.Container // by ID
	bad   map[string]string             // what is wrong with the records that cannot be read
	names map[string]string             // what the entries of names say
	uses  map[string][]digest.Digest    // what the entries of uses say, by container
}

func (c *containerAudit) loadRecord(entry kv.Entry) {
	id := string(entry.Key[len(containerPrefix):])
	if id == "" || !wellFormed(id) {
		unknown(c.Audit, entry.Key, "no container can have this ID")
		return
	}
	container, err := decodeContainer(entry)
	switch {
	case err != nil:
		c.bad[id] = audit.Problem(err)
	case !sensible(container):
		c.bad[id] = "a name or digest in it is malformed"
	default:
		c.found[id] = container
	}
}

// sensible reports whether the container can have been recorded so.
func sensible(container jettison.Container) bool {
	malformed := func(image digest.Digest) bool { return image.Validate() != nil }
	return wellFormed(container.Name) && !slices.ContainsFunc(uses(container), malformed)
}

func (c *containerAudit) loadName(entry kv.Entry) {
	name := string(entry.Key[len(namePrefix):])
	if name == "" || !wellFormed(name) {
		unknown(c.Audit, entry.Key, "no container can have this name")
		return
	}
	c.names[name] = string(entry.Value)
}

func (c *containerAudit) loadUse(entry kv.Entry) {
	image, id, _ := bytes.Cut(entry.Key[len(usePrefix):], []byte("/"))
	if digest.Digest(image).Validate() != nil || len(id) == 0 || !wellFormed(string(id)) {
		unknown(c.Audit, entry.Key, "it says of no image that a container uses it")
		return
	}
	c.uses[string(id)] = append(c.uses[string(id)], digest.Digest(image))
}

// makeAgain makes the containers that are used by images that are there, but
// whose records are not or cannot be read. Other records that cannot be read
// are removed: nothing depends on them.
func (c *containerAudit) makeAgain() {
	lost := maps.Clone(c.bad)
	for id := range c.uses {
		if _, ok := c.found[id]; !ok && lost[id] == "" {
			lost[id] = ""
		}
	}
	if len(lost) == 0 {
		return
	}
	called := c.called()
	for _, id := range slices.Sorted(maps.Keys(lost)) {
		used := slices.DeleteFunc(slices.Clone(c.uses[id]), func(image digest.Digest) bool { return !c.Images[image] })
		c.replace(id, lost[id], called[id], used)
	}
}

// replace makes a container again that has this name and uses these images, if
// any.
func (c *containerAudit) replace(id, problem, name string, used []digest.Digest) {
	key := containerKey(id)
	finding := check.Finding{Kind: check.UnreadableRecord, Key: string(key), Problem: problem}
	if problem == "" {
		finding.Kind, finding.Problem = check.MissingRecord, "it is not there, but the container uses an image"
	}
	switch {
	case len(used) > 0:
		container := jettison.Container{ID: id, Name: name, Image: used[0], Mounts: used[1:], Running: true}
		c.found[id] = container
		c.Put(key, encodeContainer(key, container))
		finding.Repair = "it is made again as a container that runs, so that its images stay; remove it when it is gone"
		c.Found(finding, used...)
	case problem != "":
		c.Remove(key)
		finding.Repair = "it is removed; no image is known to be used by it"
		c.Found(finding)
	}
}

// called returns the first name, if any, by which each container is found.
func (c *containerAudit) called() map[string]string {
	called := make(map[string]string)
	for name, id := range c.names {
		if first, ok := called[id]; !ok || name < first {
			called[id] = name
		}
	}
	return called
}

// checkNames makes the entries of names those of the records. Of several
// containers with one name, the one that is found by it keeps it, else the
// first.
func (c *containerAudit) checkNames() {
	owners := make(map[string]string)
	for _, id := range slices.Sorted(maps.Keys(c.found)) {
		name := c.found[id].Name
		if _, taken := owners[name]; name != "" && (!taken || c.names[name] == id) {
			owners[name] = id
		}
	}
	for id, container := range c.found {
		if container.Name != "" && owners[container.Name] != id {
			c.takeName(container)
		}
	}
	for name, id := range owners {
		if c.names[name] != id {
			c.Put(nameKey(name), []byte(id))
			c.Found(check.Finding{
				Kind: check.MissingEntry, Key: string(nameKey(name)),
				Problem: "container " + id + " is not found by its name",
				Repair:  "the entry is written",
			})
		}
	}
	for name := range c.names {
		if owners[name] == "" {
			c.stray(nameKey(name), "no container has this name, so nothing can be called so")
		}
	}
}

// takeName takes the name from a container because another one has it.
func (c *containerAudit) takeName(container jettison.Container) {
	key := containerKey(container.ID)
	c.Found(check.Finding{
		Kind: check.TakenName, Key: string(key),
		Problem: "another container is called " + container.Name + " too",
		Repair:  "this one is left without a name",
	})
	container.Name = ""
	c.found[container.ID] = container
	c.Put(key, encodeContainer(key, container))
}

// checkUses makes the entries of uses those of the records.
func (c *containerAudit) checkUses() {
	for id, container := range c.found {
		for _, image := range uses(container) {
			if slices.Contains(c.uses[id], image) {
				continue
			}
			key := useKey(image, id)
			c.Put(key, nil)
			c.Found(check.Finding{
				Kind: check.MissingEntry, Key: string(key),
				Problem: "the image does not know of the container that uses it, and could be deleted",
				Repair:  "the entry is written",
			}, image)
		}
	}
	for id, images := range c.uses {
		used := uses(c.found[id])
		for _, image := range images {
			if !slices.Contains(used, image) {
				c.stray(useKey(image, id), "no such container uses the image, which could not be deleted")
			}
		}
	}
}

func (c *containerAudit) stray(key []byte, problem string) {
	c.Remove(key)
	c.Found(check.Finding{Kind: check.StrayEntry, Key: string(key), Problem: problem, Repair: "the entry is removed"})
}
