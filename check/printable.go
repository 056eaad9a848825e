package check

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// printable is text as it is, or quoted when it would disturb the line.
func printable(text string) string {
	clean := utf8.ValidString(text) && strings.IndexFunc(text, func(r rune) bool { return !strconv.IsPrint(r) }) < 0
	if clean {
		return text
	}
	return strconv.Quote(text)
}
