package podman

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"time"

	"github.com/jettison-oci/jettison/internal/class"
)

// checkLayers makes sure that the library has nothing to remove when it loads the
// records of the layers: it does that unasked, also for whoever only reads. They
// are looked at under their lock, for a program that is at work leaves layers
// incomplete for a while.
func (l layout) checkLayers(ctx context.Context, deadline time.Time) error {
	for _, records := range l.layerRecords() {
		release, err := acquire(ctx, records.lock, deadline, reading)
		if err != nil {
			return err
		}
		err = checkComplete(records.path)
		release()
		if err != nil {
			return err
		}
	}
	return nil
}

// checkComplete makes sure that no layer of the file is incomplete.
func checkComplete(path string) error {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return systemError(err)
	}
	if !bytes.Contains(data, []byte(`"incomplete"`)) {
		return nil // most files do not have to be understood
	}
	var layers []struct {
		ID    string         `json:"id"`
		Flags map[string]any `json:"flags"`
	}
	if err := json.Unmarshal(data, &layers); err != nil {
		return class.Errorf(class.Internal, "%s is damaged: %w", path, err)
	}
	found := &IncompleteError{Path: path}
	for _, layer := range layers {
		if layer.Flags["incomplete"] == true {
			found.Layers = append(found.Layers, layer.ID)
		}
	}
	if len(found.Layers) > 0 {
		return found
	}
	return nil
}
