package storetest

// Runs returns the names of the cases that a store runs.
func Runs(cfg Config) []string {
	var names []string
	for _, c := range cases() {
		if c.needs&^cfg.abilities() == 0 {
			names = append(names, c.name)
		}
	}
	return names
}

// CaseNames returns the names of all cases.
func CaseNames() []string {
	var names []string
	for _, c := range cases() {
		names = append(names, c.name)
	}
	return names
}
