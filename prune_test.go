package jettison_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/conflict"
	"github.com/jettison-oci/jettison/kvstore"
	"github.com/jettison-oci/jettison/storetest"
)

func (m *memory) removeContainer(id string) error {
	return m.store.Edit(m.t.Context(), func(tx *kvstore.Tx) error {
		return tx.Containers.Remove(m.t.Context(), id, kvstore.RemoveOptions{Force: true})
	})
}

// several makes images app:0, app:1 and so on, each an hour younger.
func (m *memory) several(n int) []digest.Digest {
	m.t.Helper()
	var ids []digest.Digest
	for i := range n {
		created := m.now.Add(time.Duration(i-n) * time.Hour)
		ids = append(ids, m.image(storetest.Spec{Name: fmt.Sprint(i), Layers: []string{"os", fmt.Sprint(i)}, Created: created}, fmt.Sprintf("app:%d", i)))
	}
	return ids
}

// An engine's router passes the report through: it has the JSON of Docker's API.
func TestPruneReportJSON(t *testing.T) {
	m := newMemory(t)
	report, err := m.ImagesPrune(t.Context(), jettison.PruneOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if report.Kept == nil {
		t.Error("Kept is nil, want an empty list")
	}
	if got, want := encoded(t, report), `{"ImagesDeleted":[],"SpaceReclaimed":0}`; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	id := m.image(storetest.Spec{Name: "app"}, "app:1")
	report, err = m.ImagesPrune(t.Context(), jettison.PruneOptions{All: true})
	if err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf(`{"ImagesDeleted":[{"Untagged":"app:1"},{"Deleted":"%s"}],"SpaceReclaimed":%d}`,
		id, len(storetest.Spec{Name: "app"}.Image().Config))
	if got := encoded(t, report); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func encoded(t *testing.T, v any) string {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// The event of a prune tells what it has freed, and when (E2); that of an
// applied plan as well.
func TestPruneEvent(t *testing.T) {
	for _, way := range []string{"run", "apply"} {
		m := newMemory(t)
		m.several(3)
		var sent []jettison.Event
		s := jettison.New(m.store, &jettison.Options{
			Now:    func() time.Time { return m.now },
			Events: func(_ context.Context, e jettison.Event) { sent = append(sent, e) },
		})
		opts := jettison.PruneOptions{All: true, BatchSize: 1}
		plan, err := s.PlanPrune(t.Context(), opts)
		if err != nil {
			t.Fatal(err)
		}
		if way == "apply" {
			_, err = s.Apply(t.Context(), plan)
		} else {
			_, err = s.ImagesPrune(t.Context(), opts)
		}
		if err != nil {
			t.Fatal(err)
		}
		want := jettison.Event{Action: jettison.ActionPrune, SpaceReclaimed: plan.SpaceReclaimed(), Time: m.now}
		if len(sent) != 7 || plan.SpaceReclaimed() == 0 {
			t.Fatalf("%s: got %d events, want 7: %v", way, len(sent), sent)
		}
		if diff := cmp.Diff(want, sent[6]); diff != "" {
			t.Errorf("%s: last event (-want +got):\n%s", way, diff)
		}
	}
}

// Cancelled at any point, a prune reports all that it did, and the context's
// error (P8); what is left is what the next prune does.
func TestPruneCancelled(t *testing.T) {
	for after := range 5 {
		m := newMemory(t)
		m.several(5)
		plan, err := m.PlanPrune(t.Context(), jettison.PruneOptions{All: true})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		opts := jettison.PruneOptions{All: true, BatchSize: 1, Progress: func(at jettison.PruneProgress) {
			if at.Looked == after {
				cancel()
			}
		}}
		if after == 0 {
			cancel()
		}
		first, err := m.ImagesPrune(ctx, opts)
		cancel()
		wantClass(t, "cancelled prune", err, "Unavailable")
		if !errors.Is(err, context.Canceled) || first == nil {
			t.Fatalf("after %d: got report %v, error %v", after, first, err)
		}
		if got, want := len(m.references()), 5-after; got != want {
			t.Errorf("after %d: %d references left, want %d", after, got, want)
		}
		second, err := m.ImagesPrune(t.Context(), jettison.PruneOptions{All: true})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(plan.Records(), append(first.ImagesDeleted, second.ImagesDeleted...)); diff != "" {
			t.Errorf("after %d: records of both (-plan +done):\n%s", after, diff)
		}
		if got, want := first.SpaceReclaimed+second.SpaceReclaimed, plan.SpaceReclaimed(); got != want {
			t.Errorf("after %d: SpaceReclaimed = %d, want %d", after, got, want)
		}
	}
}

// An expired context is told apart from a cancelled one.
func TestPruneTimedOut(t *testing.T) {
	m := newMemory(t)
	ctx, cancel := context.WithTimeout(t.Context(), -time.Second)
	defer cancel()
	report, err := m.ImagesPrune(ctx, jettison.PruneOptions{})
	wantClass(t, "prune", err, "Unavailable")
	if !errors.Is(err, context.DeadlineExceeded) || report == nil {
		t.Errorf("got report %v, error %v", report, err)
	}
	_, err = m.PlanPrune(ctx, jettison.PruneOptions{})
	wantClass(t, "plan", err, "Unavailable")
}

// Of two prunes one is refused, also when one of them is the applying of a plan,
// and also on a service whose callback or event asks for it (P1). Another
// service knows nothing of it.
func TestPruneRefusesASecond(t *testing.T) {
	m := newMemory(t)
	m.several(2)
	plan, err := m.PlanPrune(t.Context(), jettison.PruneOptions{All: true})
	if err != nil {
		t.Fatal(err)
	}
	calls := 0
	_, err = m.ImagesPrune(t.Context(), jettison.PruneOptions{All: true, BatchSize: 1, Progress: func(jettison.PruneProgress) {
		calls++
		report, err := m.ImagesPrune(t.Context(), jettison.PruneOptions{})
		if !errors.Is(err, jettison.ErrConflict) || errorText(err) != "a prune operation is already running" || report != nil {
			t.Errorf("second prune: got %v, %v", report, err)
		}
		records, err := m.Apply(t.Context(), plan)
		if !errors.Is(err, jettison.ErrConflict) || errorText(err) != "a prune operation is already running" || records != nil {
			t.Errorf("plan applied meanwhile: got %v, %v", records, err)
		}
		if _, err := jettison.New(m.store, nil).ImagesPrune(t.Context(), jettison.PruneOptions{}); err != nil {
			t.Errorf("prune on another service: %v", err)
		}
	}})
	if err != nil || calls != 2 {
		t.Errorf("got %d calls, error %v", calls, err)
	}
	if _, err := m.ImagesPrune(t.Context(), jettison.PruneOptions{}); err != nil {
		t.Errorf("prune afterwards: %v", err)
	}
}

// A callback that panics does not block the next prune.
func TestPruneAfterAPanic(t *testing.T) {
	m := newMemory(t)
	m.several(1)
	func() {
		defer func() { _ = recover() }()
		_, _ = m.ImagesPrune(t.Context(), jettison.PruneOptions{All: true, Progress: func(jettison.PruneProgress) { panic("callback") }})
		t.Error("there was no panic")
	}()
	if _, err := m.ImagesPrune(t.Context(), jettison.PruneOptions{All: true}); err != nil {
		t.Error(err)
	}
}

// Every batch size leads to the same report (P6, P9).
func TestPruneBatches(t *testing.T) {
	var want *jettison.PruneReport
	for size := range 8 {
		m := newMemory(t)
		m.several(4)
		root, _, app := family(m)
		m.container(jettison.Container{ID: "c1", Image: root})
		m.tag(app, "app:3", "web:1")
		got, err := m.ImagesPrune(t.Context(), jettison.PruneOptions{
			All: true, BatchSize: size, Explain: true,
			Policy: jettison.Policy{KeepLast: 1, MinAge: time.Hour, MaxStorage: 1000},
		})
		if err != nil {
			t.Fatal(err)
		}
		if want == nil {
			want = got
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("batches of %d (-by default +got):\n%s", size, diff)
		}
	}
	if len(want.ImagesDeleted) == 0 || len(want.Kept) == 0 {
		t.Errorf("the example says nothing: %+v", want)
	}
}

// Where nothing knows of leases and containers, they are not in the way.
func TestPruneWithoutLeasesAndContainers(t *testing.T) {
	m := newMemory(t)
	id := m.image(storetest.Spec{Name: "app"}, "app:1")
	running(m, id)
	report, err := jettison.New(noLeases{m.store}, nil).ImagesPrune(t.Context(), jettison.PruneOptions{All: true})
	if err != nil || len(report.ImagesDeleted) != 2 {
		t.Errorf("got %v, %v, want app:1 and its image", report, err)
	}
}

// A lease that is taken while a prune runs keeps its image (D15, L2).
func TestPruneObeysALeaseTakenMeanwhile(t *testing.T) {
	m := newMemory(t)
	ids := m.several(4)
	taken := false
	report, err := m.ImagesPrune(t.Context(), jettison.PruneOptions{All: true, BatchSize: 1, Progress: func(jettison.PruneProgress) {
		if !taken {
			taken = true
			m.lease("app:2")
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"app:2"}, m.references()); diff != "" {
		t.Errorf("references (-want +got):\n%s", diff)
	}
	if len(report.Kept) != 1 || report.Kept[0].Image != ids[2] || report.Kept[0].Conflicts[0].Kind != conflict.Leased {
		t.Errorf("got kept %v, want %s because of its lease", report.Kept, ids[2])
	}
}
