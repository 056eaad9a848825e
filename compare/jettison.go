package compare

import (
	"context"
	"slices"
	"strconv"
	"sync"

	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/pkg/errors"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/imagestore"
	"github.com/jettison-oci/jettison/kv"
	"github.com/jettison-oci/jettison/kv/memkv"
	"github.com/jettison-oci/jettison/kvstore"
	"github.com/jettison-oci/jettison/refstore"
)

// Jettison is this project's engine: the service over a store in memory.
type Jettison struct {
	// Wrap, if set before Build, stands between the service and the store.
	Wrap func(jettison.Backend) jettison.Backend
	// Open, if set before Build, opens the database in place of one in memory.
	Open func() (kv.DB, error)
	// BatchSize is that of a prune; zero means the default.
	BatchSize int
	// Service and Store are what Build made.
	Service *jettison.Service
	Store   *kvstore.Store

	db     kv.DB
	mu     sync.Mutex // of the events, which calls at once send at once
	events []Event
}

// NewJettison returns the engine.
func NewJettison() *Jettison { return &Jettison{} }

// Build fills a new store with the scene.
func (j *Jettison) Build(ctx context.Context, scene Scene) (err error) {
	j.db, j.events = memkv.New(), nil
	if j.Open != nil {
		if j.db, err = j.Open(); err != nil {
			return err
		}
	}
	if j.Store, err = kvstore.New(ctx, j.db, nil); err != nil {
		return err
	}
	if err := j.Store.Edit(ctx, func(tx *kvstore.Tx) error { return fill(ctx, tx, scene) }); err != nil {
		return err
	}
	if err := j.lose(ctx, scene); err != nil {
		return err
	}
	var backend jettison.Backend = j.Store
	if j.Wrap != nil {
		backend = j.Wrap(backend)
	}
	j.Service = jettison.New(backend, &jettison.Options{Events: j.record})
	return nil
}

// Close closes the store.
func (j *Jettison) Close() error {
	if j.db == nil {
		return nil
	}
	return j.db.Close()
}

func (j *Jettison) record(_ context.Context, e jettison.Event) {
	event := Event{Action: string(e.Action), ID: e.Image.String(), Name: e.Name}
	if e.Action == jettison.ActionPrune {
		event.Reclaimed = strconv.FormatInt(e.SpaceReclaimed, 10)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.events = append(j.events, event)
}

func fill(ctx context.Context, tx *kvstore.Tx, scene Scene) error {
	for _, img := range scene.Images {
		spec := imagestore.Spec{Config: img.Config, Parent: img.Parent}
		for _, diffID := range img.DiffIDs {
			spec.Layers = append(spec.Layers, ocispec.Descriptor{Digest: diffID, Size: LayerSize(diffID)})
		}
		if _, err := tx.Images.Create(ctx, spec); err != nil {
			return err
		}
	}
	for _, a := range scene.References {
		if err := addReference(ctx, tx.References, a); err != nil {
			return err
		}
	}
	for _, c := range scene.Containers {
		if _, err := tx.Containers.Add(ctx, c); err != nil {
			return err
		}
	}
	return nil
}

func addReference(ctx context.Context, refs *refstore.Store, a refstore.Association) error {
	if canonical, ok := a.Ref.(reference.Canonical); ok {
		return refs.AddDigest(ctx, canonical, a.ID)
	}
	return refs.AddTag(ctx, a.Ref, a.ID, refstore.AddOptions{})
}

// lose removes the records of the lost images, as damage does: behind the back
// of the store.
func (j *Jettison) lose(ctx context.Context, scene Scene) error {
	for _, img := range scene.Images {
		if img.Lost {
			if err := j.Put(ctx, "image/"+img.ID.String(), nil); err != nil {
				return err
			}
		}
	}
	return nil
}

// Put sets a key of the store's database, behind the back of the store; a nil
// value removes it.
func (j *Jettison) Put(ctx context.Context, key string, value []byte) error {
	return j.db.Update(ctx, func(tx kv.Tx) error {
		if value == nil {
			return tx.Delete(ctx, []byte(key))
		}
		return tx.Put(ctx, []byte(key), value)
	})
}

// Delete calls the service's ImageDelete.
func (j *Jettison) Delete(ctx context.Context, call Call) (Outcome, error) {
	j.events = nil
	responses, err := j.Service.ImageDelete(ctx, call.Ref, jettison.RemoveOptions{
		Force:         call.Force,
		PruneChildren: call.Prune,
		Platforms:     call.Platforms,
	})
	if err := checkClass(err); err != nil {
		return Outcome{}, err
	}
	out := Outcome{Failure: failureOf(err), Events: j.events, Records: ourRecords(responses)}
	out.After, err = j.State(ctx)
	return out, err
}

func ourRecords(responses []jettison.DeleteResponse) []Record {
	if responses == nil {
		return nil
	}
	records := []Record{}
	for _, r := range responses {
		records = append(records, Record(r))
	}
	return records
}

// Prune calls the service's ImagesPrune, after a PlanPrune that must say the
// same (rule P9).
func (j *Jettison) Prune(ctx context.Context, call Call) (Outcome, error) {
	j.events = nil
	opts := jettison.PruneOptions{Filters: call.Filters, BatchSize: j.BatchSize}
	plan, planErr := j.Service.PlanPrune(ctx, opts)
	report, err := j.Service.ImagesPrune(ctx, opts)
	if err := checkClass(err); err != nil {
		return Outcome{}, err
	}
	if failureOf(err) != failureOf(planErr) {
		return Outcome{}, errors.Errorf("rule P9: the plan has the error %v, the prune %v", planErr, err)
	}
	out := Outcome{Failure: failureOf(err), Events: j.events}
	if report != nil {
		out.Records, out.Reclaimed = ourRecords(report.ImagesDeleted), report.SpaceReclaimed
		if !slices.Equal(plan.Records(), report.ImagesDeleted) || plan.SpaceReclaimed() != report.SpaceReclaimed {
			return Outcome{}, errors.Errorf("rule P9: the plan has %v and %d bytes, the prune %v and %d bytes",
				plan.Records(), plan.SpaceReclaimed(), report.ImagesDeleted, report.SpaceReclaimed)
		}
	}
	out.After, err = j.State(ctx)
	return out, err
}

// checkClass checks that an error matches exactly the sentinel that its marker
// method stands for (rule E1).
func checkClass(err error) error {
	if err == nil {
		return nil
	}
	var matched []string
	for name, sentinel := range map[string]error{
		"InvalidArgument": jettison.ErrInvalidArgument,
		"NotFound":        jettison.ErrNotFound,
		"Conflict":        jettison.ErrConflict,
		"Unavailable":     jettison.ErrUnavailable,
		"Internal":        jettison.ErrInternal,
	} {
		if errors.Is(err, sentinel) {
			matched = append(matched, name)
		}
	}
	if marked := failureOf(err).Class; !slices.Equal(matched, []string{marked}) {
		return errors.Errorf("rule E1: error %q has the classes %v and the marker of %s", err, matched, marked)
	}
	return nil
}

// State reads the store.
func (j *Jettison) State(ctx context.Context) (State, error) {
	state := State{
		Images:     make(map[digest.Digest]Links),
		References: make(map[string]digest.Digest),
		Layers:     make(map[digest.Digest]int),
	}
	err := j.Store.Read(ctx, func(tx *kvstore.Tx) error { return readState(ctx, tx, state) })
	return state, err
}

func readState(ctx context.Context, tx *kvstore.Tx, state State) error {
	for img, err := range tx.Images.All(ctx) {
		if err != nil {
			return err
		}
		children, err := tx.Images.Children(ctx, img.ID)
		if err != nil {
			return err
		}
		state.Images[img.ID] = Links{Parent: img.Parent, Children: sortedIDs(children)}
	}
	for a, err := range tx.References.All(ctx) {
		if err != nil {
			return err
		}
		state.References[a.Ref.String()] = a.ID
	}
	for layer, err := range tx.Images.Layers(ctx) {
		if err != nil {
			return err
		}
		state.Layers[layer.ChainID] = layer.Holders
	}
	return nil
}
