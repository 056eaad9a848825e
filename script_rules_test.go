package jettison_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// A script begins with the rules that it shows: "# D1, E2: what happens".
var rulesLine = regexp.MustCompile(`^# ([A-Z][0-9]+(?:, [A-Z][0-9]+)*): `)

// scriptRules are the rules that each script names.
func scriptRules(t *testing.T) map[string][]string {
	t.Helper()
	files, err := filepath.Glob("testdata/script/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("found %d scripts, error %v", len(files), err)
	}
	rules := make(map[string][]string, len(files))
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if found := rulesLine.FindSubmatch(text); found != nil {
			rules[file] = strings.Split(string(found[1]), ", ")
		} else {
			rules[file] = nil
		}
	}
	return rules
}

func TestScriptsNameTheirRules(t *testing.T) {
	for file, rules := range scriptRules(t) {
		if len(rules) == 0 {
			t.Errorf("%s does not begin with the rules that it shows, as in \"# D1, E2: what happens\"", file)
		}
	}
}

func TestEveryRuleHasAScript(t *testing.T) {
	var named []string
	for _, rules := range scriptRules(t) {
		named = append(named, rules...)
	}
	for chapter, count := range map[string]int{"R": 9, "D": 17, "P": 10, "L": 3, "E": 3, "M": 3, "S": 5} {
		for i := range count {
			if rule := fmt.Sprint(chapter, i+1); !slices.Contains(named, rule) {
				t.Errorf("no script shows rule %s", rule)
			}
		}
	}
}
