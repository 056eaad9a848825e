package diskstore

import (
	"context"
	"fmt"
	"io"
	"math"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/jettison-oci/jettison/internal/class"
	"github.com/jettison-oci/jettison/internal/readers"
)

// DigestError says that content is not what its digest says. Its class is
// InvalidArgument.
type DigestError struct {
	// Want is the digest that was expected, Got that of the content.
	Want, Got digest.Digest
}

// Error names both digests.
func (e *DigestError) Error() string {
	return fmt.Sprintf("content has digest %s, not %s", e.Got, e.Want)
}

// InvalidParameter marks the error as of class InvalidArgument.
func (e *DigestError) InvalidParameter() {}

// Is makes the error match the sentinel of its class.
func (e *DigestError) Is(target error) bool { return target == class.InvalidArgument }

// SizeError says that content is longer or shorter than was said. Its class is
// InvalidArgument.
type SizeError struct {
	// Digest is what the content was to have, or empty if that was unknown.
	Digest digest.Digest
	// Want is the number of bytes that was expected.
	Want int64
	// Got is the number of bytes read: of content that is too long, one more
	// than was wanted.
	Got int64
}

// Error names the content and both numbers.
func (e *SizeError) Error() string {
	name := "content"
	if e.Digest != "" {
		name += " " + e.Digest.String()
	}
	if e.Got > e.Want {
		return fmt.Sprintf("%s is longer than %d bytes", name, e.Want)
	}
	return fmt.Sprintf("%s has %d bytes, not %d", name, e.Got, e.Want)
}

// InvalidParameter marks the error as of class InvalidArgument.
func (e *SizeError) InvalidParameter() {}

// Is makes the error match the sentinel of its class.
func (e *SizeError) Is(target error) bool { return target == class.InvalidArgument }

// checkDescriptor makes sure that a descriptor can name content.
func checkDescriptor(want ocispec.Descriptor) error {
	if want.Size < 0 {
		return class.Errorf(class.InvalidArgument, "invalid size %d of content %s", want.Size, want.Digest)
	}
	if err := want.Digest.Validate(); err != nil {
		return class.Errorf(class.InvalidArgument, "invalid digest %q: %w", want.Digest, err)
	}
	return nil
}

// copyContent copies what r has to temp, makes it durable and returns its
// descriptor, if it is what want says.
func copyContent(ctx context.Context, temp *tempFile, r io.Reader, want ocispec.Descriptor) (ocispec.Descriptor, error) {
	algorithm := digest.Canonical
	if want.Digest != "" {
		algorithm = want.Digest.Algorithm()
	}
	r = readers.Until(ctx, r)
	sized := want.Digest != "" || want.Size > 0
	if sized && want.Size < math.MaxInt64 {
		r = io.LimitReader(r, want.Size+1) // one more shows that there is more
	}
	digester := algorithm.Digester()
	n, err := copyBoth(temp, digester.Hash(), r)
	if err != nil {
		return want, class.Errorf(class.Unavailable, "content %s: %w", want.Digest, err)
	}
	got := want
	got.Digest, got.Size = digester.Digest(), n
	switch {
	case sized && n != want.Size:
		return want, &SizeError{Digest: want.Digest, Want: want.Size, Got: n}
	case want.Digest != "" && want.Digest != got.Digest:
		return want, &DigestError{Want: want.Digest, Got: got.Digest}
	}
	return got, temp.finish()
}
