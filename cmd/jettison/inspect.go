package main

import (
	"context"
	"encoding/json"
	"io"
	"slices"
	"time"

	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"
	"github.com/spf13/cobra"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/conflict"
	"github.com/jettison-oci/jettison/imagestore"
)

func newInspect(set *settings) *cobra.Command {
	return &cobra.Command{
		Use:   "inspect REF...",
		Short: "Print all that the store knows of images, as JSON",
		Long: `Print all that the store knows of images, as JSON: names, parent and children,
platform or those of an index, layers with the number of their holders, what it is
about and what is about it, and what uses the image.`,
		Example: "  jettison inspect app:1.0\n  jettison inspect --format json app:1.0 3dfe63d000c7",
		Args:    operands("REF...", 1, anyNumber),
		RunE: action(func(cmd *cobra.Command, args []string) error {
			return set.read(cmd, func(store *opened) error {
				return set.inspect(cmd, store, args)
			})
		}),
		ValidArgsFunction: set.complete(listReferences),
	}
}

// inspect prints the details of the images that it finds. One that fails does
// not stop the next.
func (s *settings) inspect(cmd *cobra.Command, store *opened, refs []string) error {
	var failures []failure
	for _, ref := range refs {
		details, err := inspect(cmd.Context(), store, ref)
		if err != nil {
			if cmd.Context().Err() != nil {
				return err
			}
			failures = append(failures, failure{reference: ref, err: err})
			continue
		}
		if err := s.printDetails(cmd.OutOrStdout(), details); err != nil {
			return err
		}
	}
	return s.reportAll(cmd, failures)
}

// imageDetails is the JSON of inspect. The first names are Docker's.
type imageDetails struct {
	ID           digest.Digest `json:"Id"`
	RepoTags     []string
	RepoDigests  []string
	Parent       digest.Digest `json:",omitempty"`
	Children     []digest.Digest
	Created      time.Time `json:",omitzero"`
	Os           string
	Architecture string
	Variant      string `json:",omitempty"`
	Size         int64
	Labels       map[string]string
	Manifest     digest.Digest     `json:",omitempty"`
	Manifests    []manifestDetails `json:",omitempty"`
	Subject      digest.Digest     `json:",omitempty"`
	Subjects     []digest.Digest   `json:",omitempty"` // the images in the store that it is about
	Referrers    []digest.Digest   `json:",omitempty"`
	Layers       []layerDetails
	Containers   []containerRow
	Leases       []leaseDetails
}

// manifestDetails is the JSON of a manifest of an index. Available says whether
// the store has it; otherwise it is only listed.
type manifestDetails struct {
	Digest    digest.Digest
	Platform  string
	Subject   digest.Digest `json:",omitempty"`
	Layer     digest.Digest `json:",omitempty"`
	Available bool
}

// layerDetails is the JSON of a layer. Layers are listed from top to base.
type layerDetails struct {
	ChainID digest.Digest
	DiffID  digest.Digest
	Size    int64
	Holders int
}

// leaseDetails is the JSON of a lease.
type leaseDetails struct {
	ID, Kind, Owner string
	Expires         time.Time `json:",omitzero"`
}

func leaseOf(l conflict.Lease) leaseDetails {
	return leaseDetails{ID: l.ID, Kind: string(l.Kind), Owner: l.Owner, Expires: l.Expires}
}

func (s *settings) printDetails(w io.Writer, details *imageDetails) error {
	if s.format == formatJSON {
		return printJSON(w, details)
	}
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "    ")
	return enc.Encode(details)
}

func inspect(ctx context.Context, store *opened, ref string) (*imageDetails, error) {
	found, err := store.service.Resolve(ctx, ref)
	if err != nil {
		return nil, err
	}
	details := newDetails(found.Image)
	err = store.View(ctx, func(stores jettison.Stores) error {
		return details.fill(ctx, stores, found.Image)
	})
	return details, err
}

func newDetails(img imagestore.Image) *imageDetails {
	var manifests []manifestDetails
	for _, m := range img.Manifests {
		manifests = append(manifests, manifestDetails{m.Digest, platformName(m.Platform), m.Subject, m.Layer, m.Content != nil})
	}
	return &imageDetails{
		Manifest: img.Manifest, Manifests: manifests, Subject: img.Subject,
		ID: img.ID, Parent: img.Parent, Size: img.Size, Labels: img.Labels,
		Os: img.Platform.OS, Architecture: img.Platform.Architecture, Variant: img.Platform.Variant,
		Created: img.Created, RepoTags: []string{}, RepoDigests: []string{}, Children: []digest.Digest{},
		Layers: []layerDetails{}, Containers: []containerRow{}, Leases: []leaseDetails{},
	}
}

func (d *imageDetails) fill(ctx context.Context, stores jettison.Stores, img imagestore.Image) error {
	children, err := stores.Images.Children(ctx, img.ID)
	if err != nil {
		return err
	}
	d.Children = append(d.Children, children...)
	if err := d.fillNames(ctx, stores); err != nil {
		return err
	}
	if d.Referrers, err = referrersOf(ctx, stores, d.ID); err != nil {
		return err
	}
	if d.Subjects, err = subjectsOf(ctx, stores, d.ID); err != nil {
		return err
	}
	for _, chain := range img.Chains() {
		if err := d.fillLayers(ctx, stores, chain); err != nil {
			return err
		}
	}
	return d.fillUses(ctx, stores)
}

func (d *imageDetails) fillNames(ctx context.Context, stores jettison.Stores) error {
	refs, err := stores.References.References(ctx, d.ID)
	for _, ref := range refs {
		if _, ok := ref.(reference.Canonical); ok {
			d.RepoDigests = append(d.RepoDigests, reference.FamiliarString(ref))
		} else {
			d.RepoTags = append(d.RepoTags, reference.FamiliarString(ref))
		}
	}
	return err
}

func (d *imageDetails) fillLayers(ctx context.Context, stores jettison.Stores, chain digest.Digest) error {
	for chain != "" && !slices.ContainsFunc(d.Layers, func(l layerDetails) bool { return l.ChainID == chain }) {
		layer, err := stores.Images.Layer(ctx, chain)
		if err != nil {
			return err
		}
		row := layerDetails{ChainID: layer.ChainID, DiffID: layer.DiffID, Holders: layer.Holders}
		for _, c := range layer.Content {
			row.Size += c.Size
		}
		d.Layers = append(d.Layers, row)
		chain = layer.Parent
	}
	return nil
}

func (d *imageDetails) fillUses(ctx context.Context, stores jettison.Stores) error {
	if stores.Containers.ContainerLister != nil {
		containers, err := stores.Containers.Containers(ctx, d.ID)
		if err != nil {
			return err
		}
		for _, c := range containers {
			d.Containers = append(d.Containers, containerOf(c))
		}
	}
	if stores.Leases == nil {
		return nil
	}
	leases, err := stores.Leases.Leases(ctx, d.ID)
	for _, l := range leases {
		if !l.Live(time.Now()) {
			continue
		}
		d.Leases = append(d.Leases, leaseOf(l))
	}
	return err
}
