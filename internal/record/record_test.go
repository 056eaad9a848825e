package record_test

import (
	_ "crypto/sha512" // digests of sha384 and sha512
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	"pgregory.net/rapid"

	"github.com/jettison-oci/jettison/internal/class"
	"github.com/jettison-oci/jettison/internal/record"
)

// fields has one field of each kind, in the order in which they are written.
type fields struct {
	Uint    uint64
	Int     int64
	String  string
	Strings []string
	Map     map[string]string
	Time    time.Time
	Digest  digest.Digest
}

func encode(key string, f fields) []byte {
	w := record.NewWriter()
	w.Uint(f.Uint)
	w.Int(f.Int)
	w.String(f.String)
	w.Strings(f.Strings)
	w.Map(f.Map)
	w.Time(f.Time)
	w.Digest(f.Digest)
	return w.Seal([]byte(key))
}

func decode(key string, value []byte) (fields, error) {
	r := record.Read([]byte(key), value)
	f := fields{
		Uint:    r.Uint(),
		Int:     r.Int(),
		String:  r.String(),
		Strings: r.Strings(),
		Map:     r.Map(),
		Time:    r.Time(),
		Digest:  r.Digest(),
	}
	return f, r.Close()
}

func example() fields {
	return fields{
		Uint:    1 << 63,
		Int:     -42,
		String:  "text",
		Strings: []string{"a", ""},
		Map:     map[string]string{"k": "v", "": "empty"},
		Time:    time.Date(2024, 2, 29, 12, 0, 0, 5, time.UTC),
		Digest:  digest.FromString("x"),
	}
}

func drawDigest(t *rapid.T) digest.Digest {
	return digest.Digest(rapid.OneOf(
		rapid.StringMatching(`sha256:[0-9a-f]{64}`),
		rapid.StringMatching(`sha384:[0-9a-f]{96}`),
		rapid.StringMatching(`sha512:[0-9a-f]{128}`),
		rapid.StringMatching(`sha256:[0-9A-F]{64}`),
		rapid.StringMatching(`(sha256|md5|b3\+x):[0-9a-f]{0,70}`),
		rapid.String(),
	).Draw(t, "digest"))
}

func drawFields(t *rapid.T) fields {
	f := fields{
		Uint:    rapid.Uint64().Draw(t, "uint"),
		Int:     rapid.Int64().Draw(t, "int"),
		String:  rapid.String().Draw(t, "string"),
		Strings: rapid.SliceOf(rapid.String()).Draw(t, "strings"),
		Map:     rapid.MapOf(rapid.String(), rapid.String()).Draw(t, "map"),
		Time:    time.Unix(rapid.Int64Range(-1<<40, 1<<40).Draw(t, "sec"), rapid.Int64Range(0, 999_999_999).Draw(t, "nsec")).UTC(),
		Digest:  drawDigest(t),
	}
	if len(f.Strings) == 0 {
		f.Strings = nil
	}
	if len(f.Map) == 0 {
		f.Map = nil
	}
	return f
}

func TestWhatIsWrittenIsRead(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := drawFields(t)
		got, err := decode("key", encode("key", want))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatal(diff)
		}
	})
}

func TestZeroTimeStaysZero(t *testing.T) {
	got, err := decode("key", encode("key", fields{}))
	if err != nil || !got.Time.IsZero() {
		t.Errorf("got %v, %v, want the zero time", got.Time, err)
	}
}

func TestDigestTakesItsRawBytes(t *testing.T) {
	const overhead = 5 + 1 // the header and the algorithm
	for _, alg := range []digest.Algorithm{digest.SHA256, digest.SHA384, digest.SHA512} {
		w := record.NewWriter()
		w.Digest(alg.FromString("x"))
		if got, want := len(w.Seal(nil)), overhead+alg.Size(); got != want {
			t.Errorf("%s: got %d bytes, want %d", alg, got, want)
		}
	}
}

// E3: every single flipped bit, and every cut, is noticed and names the key.
func TestDamageIsNoticed(t *testing.T) {
	value := encode("image/x", example())
	for bit := range 8 * len(value) {
		value[bit/8] ^= 1 << (bit % 8)
		checkDamage(t, value)
		value[bit/8] ^= 1 << (bit % 8)
	}
	for n := range value {
		checkDamage(t, value[:n])
	}
	checkDamage(t, append(value, 0))
}

func checkDamage(t *testing.T, value []byte) {
	t.Helper()
	_, err := decode("image/x", value)
	if !errors.Is(err, class.Internal) {
		t.Fatalf("%x: got error %v, want one of class Internal", value, err)
	}
	if !strings.Contains(err.Error(), `key "image/x"`) {
		t.Fatalf("got error %q, want the key in it", err)
	}
}

// E3: a value that got under another key is damage too.
func TestValueUnderAnotherKeyIsNoticed(t *testing.T) {
	if _, err := decode("image/y", encode("image/x", example())); err == nil {
		t.Error("got no error")
	}
}

func TestErrorsSayWhatToDo(t *testing.T) {
	newer := encode("k", example())
	newer[0] = record.Version + 1
	rest := record.NewWriter()
	rest.Uint(1)
	rest.Uint(2)
	tests := []struct {
		name  string
		value []byte
		want  string
	}{
		{"newer", newer, `key "k": record of format 2, but this program knows only those up to 1; use a newer one`},
		{"empty", nil, `key "k": damaged: too short; replace or delete what it describes, or restore the store from a copy`},
		{"no version", make([]byte, 5), `key "k": damaged: no format version; replace or delete what it describes, or restore the store from a copy`},
		{"rest", rest.Seal([]byte("k")), `key "k": damaged: bytes after the last field; replace or delete what it describes, or restore the store from a copy`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := record.Read([]byte("k"), test.value)
			r.Uint()
			err := r.Close()
			if err == nil || err.Error() != test.want {
				t.Errorf("got %v, want %s", err, test.want)
			}
		})
	}
}

// The checksum is right here, but the fields are not those that are read.
func FuzzFieldsNeverPanic(f *testing.F) {
	f.Add(encode("k", example())[5:])
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01})
	f.Fuzz(func(t *testing.T, raw []byte) {
		value := reseal(raw)
		got, err := decode("k", value)
		if err != nil {
			if !errors.Is(err, class.Internal) {
				t.Fatalf("got error %v, want one of class Internal", err)
			}
			return
		}
		again, err := decode("k", encode("k", got))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(got, again); diff != "" {
			t.Fatal(diff)
		}
	})
}

// reseal returns a record whose fields are the raw bytes, with the right
// checksum.
func reseal(raw []byte) []byte {
	w := record.NewWriter()
	w.Raw(raw)
	return w.Seal([]byte("k"))
}
