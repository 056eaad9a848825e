package filter

import "strings"

// A label is a value of "label" or "label!".
type label struct {
	text string
	key  string
	// value counts only where one is given: "a" fits any value, "a=" the empty
	// one.
	value string
	given bool
}

// parseLabels reads the values of key.
func parseLabels(key string, texts []string) ([]label, error) {
	labels := make([]label, len(texts))
	for i, text := range texts {
		l := label{text: text}
		l.key, l.value, l.given = strings.Cut(text, "=")
		if l.key == "" {
			return nil, &Error{Key: key, Value: text, Err: errLabelKey}
		}
		labels[i] = l
	}
	return labels, nil
}

// fits reports whether the labels of an image have l.
func (l label) fits(labels map[string]string) bool {
	value, ok := labels[l.key]
	return ok && (!l.given || value == l.value)
}

// contradictoryLabels returns an error when no image can have all of required
// and none of excluded.
func contradictoryLabels(required, excluded []label) error {
	byKey := map[string]label{} // the strictest of each key
	for _, l := range required {
		other, ok := byKey[l.key]
		if ok && l.given && other.given && l.value != other.value {
			return contradiction(Label, l.text, Label, other.text)
		}
		if !ok || l.given {
			byKey[l.key] = l
		}
	}
	for _, l := range excluded {
		other, ok := byKey[l.key]
		if ok && (!l.given || other.given && l.value == other.value) {
			return contradiction(NotLabel, l.text, Label, other.text)
		}
	}
	return nil
}
