package transfer

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"syscall"
	"unicode/utf8"

	"github.com/jettison-oci/jettison/internal/class"
)

// An ArchiveError says what is wrong with an archive, and where in it. Its
// class is InvalidArgument: the archive can never be loaded as it is.
//
// Err wraps the cause: a [*diskstore.DigestError] for content that is not what
// its digest says, [io.ErrUnexpectedEOF] for an archive that ends too early,
// [io/fs.ErrNotExist] for an entry that is missing.
type ArchiveError struct {
	// Path names the archive: the path given to [Load], or "(stream)".
	Path string
	// Entry is the path of the file inside the archive, or empty when the
	// archive as a whole is meant.
	Entry string
	// Err says what is wrong.
	Err error
}

// Error names the archive, the entry and what is wrong, in printable characters
// whatever is in the archive.
func (e *ArchiveError) Error() string {
	where := "archive " + printable(e.Path) + ": "
	if e.Entry != "" {
		where += printable(e.Entry) + ": "
	}
	return where + printable(e.Err.Error())
}

// printable writes what cannot be printed as a Go string has it, so that a name
// in an archive cannot command the terminal.
func printable(text string) string {
	quoted := strconv.Quote(text)
	if len(quoted) == len(text)+2 {
		return text
	}
	var out strings.Builder
	for i, r := range text {
		switch _, size := utf8.DecodeRuneInString(text[i:]); {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&out, `\x%02x`, text[i])
		case strconv.IsPrint(r):
			out.WriteRune(r)
		default:
			out.WriteString(strings.Trim(strconv.QuoteRune(r), "'"))
		}
	}
	return out.String()
}

// Unwrap returns what is wrong.
func (e *ArchiveError) Unwrap() error { return e.Err }

// InvalidParameter marks the error as of class InvalidArgument.
func (e *ArchiveError) InvalidParameter() {}

// Is makes the error match the sentinel of its class.
func (e *ArchiveError) Is(target error) bool { return target == class.InvalidArgument }

// located says where in the archive err happened. It is an ArchiveError unless
// the archive is not to blame: then err keeps its class, and what comes from
// the operating system is Unavailable.
func located(archive, entry string, err error) error {
	var already *ArchiveError
	if err == nil || errors.As(err, &already) {
		return err
	}
	at := &ArchiveError{Path: archive, Entry: entry, Err: err}
	if c := class.Of(err); c != nil && !errors.Is(c, class.InvalidArgument) {
		return class.Errorf(c, "archive %s: %w", printable(archive), err)
	}
	if systemError(err) {
		return class.Errorf(class.Unavailable, "archive %s: %w", printable(archive), err)
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		at.Err = &early{err}
	}
	return at
}

// systemError reports whether err comes from the operating system and does not
// speak of the shape of a path, which is the archive's doing.
func systemError(err error) bool {
	var errno syscall.Errno
	if !errors.As(err, &errno) {
		return false
	}
	switch errno {
	case syscall.ENOENT, syscall.ENOTDIR, syscall.EISDIR, syscall.ELOOP, syscall.ENAMETOOLONG, syscall.EINVAL:
		return false
	default:
		return true
	}
}

// early says in the user's words that something is cut off.
type early struct{ error }

func (e *early) Error() string { return "ends too early, it is truncated (" + e.error.Error() + ")" }

func (e *early) Unwrap() error { return e.error }
