package filter_test

import (
	"errors"
	"path"
	"testing"

	"github.com/containerd/errdefs"

	"github.com/jettison-oci/jettison/filter"
)

func TestErrorFields(t *testing.T) {
	_, err := filter.New(filter.Args{"reference": {"app", "x["}}, now)
	wantError(t, err, "invalid filter 'reference=x[': syntax error in pattern")

	var invalid *filter.Error
	if !errors.As(err, &invalid) || invalid.Key != "reference" || invalid.Value != "x[" {
		t.Errorf("got %+v, want key reference and value x[", invalid)
	}
	if !errors.Is(err, path.ErrBadPattern) {
		t.Errorf("%v does not wrap the reason", err)
	}
	if !errdefs.IsInvalidArgument(err) { // E1
		t.Errorf("containerd's errdefs does not know the class of %v", err)
	}
}
