package diskstore_test

import (
	"testing"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/diskstore"
)

func TestTemp(t *testing.T) {
	for name, end := range map[string]func(*diskstore.Ingest) error{
		"closed":    (*diskstore.Ingest).Close,
		"committed": func(in *diskstore.Ingest) error { return in.Commit(t.Context(), nothing) },
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t, t.TempDir())
			in := ingest(t, s)
			for range 2 {
				file, err := in.Temp()
				must(t, err)
				_, err = file.WriteString("some")
				must(t, err)
				got := make([]byte, 4)
				if _, err := file.ReadAt(got, 0); err != nil || string(got) != "some" {
					t.Errorf("got %q (error %v), want some", got, err)
				}
			}
			if got := sum(onDisk(t, s.Dir())); got != 8 {
				t.Errorf("got %d bytes, want those of two files", got)
			}
			must(t, end(in))
			if left := onDisk(t, s.Dir()); len(left) > 0 {
				t.Errorf("got files %v, want none", left)
			}
			_, err := in.Temp()
			wants(t, err, jettison.ErrInvalidArgument, "has ended")
			if left := onDisk(t, s.Dir()); len(left) > 0 {
				t.Errorf("got files %v, want none", left)
			}
		})
	}
}
