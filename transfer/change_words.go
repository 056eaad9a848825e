package transfer

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
)

// splitWords splits text at spaces that are neither quoted nor escaped. Quotes
// and backslashes stay in the words.
func splitWords(text string) []string {
	var words []string
	var word strings.Builder
	var quote rune
	escaped := false
	for _, r := range text {
		if !escaped && quote == 0 && unicode.IsSpace(r) {
			if word.Len() > 0 {
				words = append(words, word.String())
			}
			word.Reset()
			continue
		}
		word.WriteRune(r)
		switch {
		case escaped:
			escaped = false
		case r == '\\' && quote != '\'':
			escaped = true
		case r == quote:
			quote = 0
		case quote == 0 && (r == '\'' || r == '"'):
			quote = r
		}
	}
	if word.Len() > 0 {
		words = append(words, word.String())
	}
	return words
}

// expand replaces variables of the environment so far in text, and takes quotes
// and backslashes out of it, as a shell does.
func (c *changer) expand(text string) (string, error) {
	e := &expander{rest: []rune(text), env: c.config.Env}
	return e.until(0)
}

// An expander reads a word rune by rune.
type expander struct {
	rest []rune
	env  []string // key=value
}

// peek is the next rune, or zero at the end.
func (e *expander) peek() rune {
	if len(e.rest) == 0 {
		return 0
	}
	return e.rest[0]
}

// next takes the next rune.
func (e *expander) next() rune {
	r := e.peek()
	e.rest = e.rest[min(1, len(e.rest)):]
	return r
}

// until expands all up to the rune stop, which it takes, or to the end.
func (e *expander) until(stop rune) (string, error) {
	var out strings.Builder
	for len(e.rest) > 0 {
		var part string
		var err error
		switch r := e.next(); r {
		case stop:
			return out.String(), nil
		case '\'':
			part, err = e.single()
		case '"':
			part, err = e.double()
		case '$':
			part, err = e.variable()
		case '\\':
			if len(e.rest) > 0 {
				part = string(e.next())
			}
		default:
			part = string(r)
		}
		if err != nil {
			return "", err
		}
		out.WriteString(part)
	}
	if stop != 0 {
		return "", fmt.Errorf("missing %q", string(stop))
	}
	return out.String(), nil
}

// single reads on to the end of single quotes, in which nothing is special.
func (e *expander) single() (string, error) {
	var out strings.Builder
	for len(e.rest) > 0 {
		r := e.next()
		if r == '\'' {
			return out.String(), nil
		}
		out.WriteRune(r)
	}
	return "", errors.New("a single quote is not closed")
}

// double reads on to the end of double quotes, in which variables are replaced
// and a backslash escapes only a quote, a dollar and itself.
func (e *expander) double() (string, error) {
	var out strings.Builder
	for len(e.rest) > 0 {
		switch r := e.next(); r {
		case '"':
			return out.String(), nil
		case '$':
			value, err := e.variable()
			if err != nil {
				return "", err
			}
			out.WriteString(value)
		case '\\':
			if !strings.ContainsRune(`"$\`, e.peek()) {
				out.WriteRune(r)
				continue
			}
			out.WriteRune(e.next())
		default:
			out.WriteRune(r)
		}
	}
	return "", errors.New("a double quote is not closed")
}

// variable reads what comes after a dollar and returns what stands for it.
func (e *expander) variable() (string, error) {
	if e.peek() != '{' {
		name := e.name()
		if name == "" {
			return "$", nil
		}
		value, _ := e.get(name)
		return value, nil
	}
	e.next()
	name := e.name()
	if name == "" {
		return "", errors.New("bad substitution: ${ without a name")
	}
	value, set := e.get(name)
	r := e.next()
	if r == '}' {
		return value, nil
	}
	if r == ':' {
		set = set && value != ""
		r = e.next()
	}
	if !strings.ContainsRune("-+?", r) || r == 0 {
		return "", fmt.Errorf("bad substitution of %s: only ${%[1]s}, and -, + and ? with or without a colon, are supported", name)
	}
	word, err := e.until('}')
	switch {
	case err != nil:
		return "", err
	case r == '?' && !set:
		return "", fmt.Errorf("%s: is not set: %s", name, word)
	case r == '+' && set, r == '-' && !set:
		return word, nil
	case r == '+':
		return "", nil
	}
	return value, nil
}

// name reads the name of a variable; digits alone are one too, and so is a
// single character that a shell gives a meaning.
func (e *expander) name() string {
	if strings.ContainsRune("@*#?-$!", e.peek()) {
		return string(e.next())
	}
	n, digits := 0, unicode.IsDigit(e.peek())
	for n < len(e.rest) {
		r := e.rest[n]
		if !unicode.IsDigit(r) && (digits || !unicode.IsLetter(r) && r != '_') {
			break
		}
		n++
	}
	name := string(e.rest[:n])
	e.rest = e.rest[n:]
	return name
}

// get returns the value of a variable and whether it is set.
func (e *expander) get(name string) (string, bool) {
	for _, entry := range e.env {
		if key, value, _ := strings.Cut(entry, "="); key == name {
			return value, true
		}
	}
	return "", false
}
