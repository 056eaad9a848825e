package filter

import (
	"github.com/pkg/errors"

	"github.com/jettison-oci/jettison/internal/class"
)

// What is wrong with a filter, where no parser says it.
var (
	errForm      = errors.New("not of the form key=value")
	errEmptyKey  = errors.New("empty key")
	errEmpty     = errors.New("empty value")
	errNotUTF8   = errors.New("not valid UTF-8")
	errTwice     = errors.New("key given twice")
	errNotTrue   = errors.New("not true")
	errNotBool   = errors.New("neither true, 1, false nor 0")
	errLabelKey  = errors.New("label without a key")
	errID        = errors.New("neither an image ID nor at least 4 hex digits of one")
	errTime      = errors.New("neither a duration such as 24h, an RFC 3339 time nor Unix seconds")
	errNegative  = errors.New("negative duration")
	errTooLate   = errors.New("after the year 9999")
	errNotValues = errors.New("neither an object nor a list of values")
)

// An Error says which filter is invalid (rule P4). Its class is
// InvalidArgument.
type Error struct {
	// Key is the key as given. Key and Value are both empty when the error is
	// about the filters as a whole, such as JSON that is cut off.
	Key string
	// Value is the value as given; empty when the error is about the key.
	Value string
	// Err is the reason; nil when there is no such key.
	Err error
}

// Error names the key, the value and the reason, as far as they are known.
func (e *Error) Error() string {
	text := "invalid filters"
	if e.Key != "" || e.Value != "" {
		text = "invalid filter '" + e.Key
		if e.Value != "" {
			text += "=" + e.Value
		}
		text += "'"
	}
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

// Unwrap returns the reason.
func (e *Error) Unwrap() error { return e.Err }

// InvalidParameter marks the error as of class InvalidArgument.
func (e *Error) InvalidParameter() {}

// Is makes the error match the sentinel of its class.
func (e *Error) Is(target error) bool { return target == class.InvalidArgument }

// contradiction is the error for a value with which no image can pass, because
// of another one.
func contradiction(key, value, otherKey, otherValue string) error {
	return &Error{Key: key, Value: value, Err: errors.Errorf("contradicts '%s=%s'", otherKey, otherValue)}
}
