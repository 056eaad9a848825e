package filter

import (
	"strconv"
	"strings"
	"time"
)

// latest is the last second of the year 9999, the end of RFC 3339, in Unix
// seconds. Far beyond it the arithmetic of times wraps round, and the end of
// time would be long ago.
const latest = 253402300799

// parseTime reads a value of "until". A duration is counted back from now, and
// a time without a zone is in the zone of now.
func parseTime(text string, now time.Time) (time.Time, error) {
	if seconds, fraction, ok := cutUnix(text); ok {
		return parseUnix(seconds, fraction)
	}
	if age, err := time.ParseDuration(text); err == nil {
		if age < 0 { // it would make every image old
			return time.Time{}, errNegative
		}
		return now.Add(-age), nil
	}
	for _, layout := range layouts() {
		if t, err := time.ParseInLocation(layout, text, now.Location()); err == nil {
			return t, nil
		}
	}
	return time.Time{}, errTime
}

// layouts are the forms of RFC 3339, whole and shortened. Where seconds are
// read, a fraction may follow them.
func layouts() []string {
	return []string{
		"2006-01-02T15:04:05Z07:00", "2006-01-02T15:04:05",
		"2006-01-02T15:04Z07:00", "2006-01-02T15:04",
		"2006-01-02T15Z07:00", "2006-01-02T15",
		"2006-01-02Z07:00", "2006-01-02",
	}
}

// cutUnix splits Unix seconds from their fraction, and reports whether the text
// looks like them: digits, and perhaps a point and 1 to 9 further digits.
func cutUnix(text string) (seconds, fraction string, ok bool) {
	seconds, fraction, point := strings.Cut(text, ".")
	if !digits(seconds) || point && (!digits(fraction) || len(fraction) > 9) {
		return "", "", false
	}
	return seconds, fraction, true
}

// parseUnix returns the time of Unix seconds.
func parseUnix(seconds, fraction string) (time.Time, error) {
	sec, err := strconv.ParseInt(seconds, 10, 64)
	if err != nil || sec > latest {
		return time.Time{}, errTooLate
	}
	nsec, err := strconv.ParseInt((fraction + "000000000")[:9], 10, 64)
	return time.Unix(sec, nsec), err
}

// digits reports whether s is one or more decimal digits.
func digits(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}
