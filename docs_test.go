package jettison_test

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/scanner"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const semantics = "docs/semantics.md"

var (
	ruleRow       = regexp.MustCompile(`(?m)^\| ([A-Z]\d+)( \*planned\*)? \|`)
	differenceRow = regexp.MustCompile(`(?m)^\| ([a-z]+-([A-Z]\d+)(?:-[a-z]+)?) \| ([A-Z]\d+) \|`)
	citation      = regexp.MustCompile(`\b[RDPLCEMS]\d{1,2}\b`)
)

func TestEveryRuleIsExercised(t *testing.T) {
	cited := citedRules(t)
	rules := ruleRow.FindAllStringSubmatch(readFile(t, semantics), -1)
	if len(rules) == 0 {
		t.Fatalf("%s has no table of rules", semantics)
	}
	known := map[string]bool{}
	for _, rule := range rules {
		id, planned := rule[1], rule[2] != ""
		if known[id] {
			t.Errorf("rule %s is in %s twice", id, semantics)
		}
		known[id] = true
		if !planned && cited[id] == "" {
			t.Errorf("rule %s is cited by no script in testdata/script and no test", id)
		}
	}
	for id, where := range cited {
		if !known[id] {
			t.Errorf("%s cites rule %s, which is not in %s", where, id, semantics)
		}
	}
}

func TestEveryDifferenceBelongsToARule(t *testing.T) {
	text := readFile(t, semantics)
	var rules []string
	for _, rule := range ruleRow.FindAllStringSubmatch(text, -1) {
		rules = append(rules, rule[1])
	}
	seen := map[string]bool{}
	for _, row := range differenceRow.FindAllStringSubmatch(text, -1) {
		id, inID, rule := row[1], row[2], row[3]
		if seen[id] || inID != rule || !slices.Contains(rules, rule) {
			t.Errorf("difference %s of rule %s: want an ID of its own, and its rule in a table above", id, rule)
		}
		seen[id] = true
	}
	if len(seen) == 0 {
		t.Errorf("%s has no table of differences", semantics)
	}
}

// citedRules returns the rules that scripts and tests cite, each with a file
// that does. A script cites in its first lines, a test in comments and texts.
func citedRules(t *testing.T) map[string]string {
	t.Helper()
	cited := map[string]string{}
	for _, name := range tree(t, ".txtar") {
		first := citation.FindAllString(firstComment(readFile(t, name)), -1)
		if filepath.Dir(name) == filepath.FromSlash("testdata/script") && len(first) == 0 {
			t.Errorf("%s: the first comment names no rule", name)
		}
		for _, id := range first {
			cited[id] = name
		}
	}
	for _, files := range goFiles(t, isTest) {
		for _, name := range files {
			for _, id := range citation.FindAllString(commentsAndTexts(readFile(t, name)), -1) {
				cited[id] = name
			}
		}
	}
	return cited
}

// firstComment returns the lines with which a script begins that are comments.
func firstComment(script string) string {
	var comment []string
	for line := range strings.Lines(script) {
		if !strings.HasPrefix(line, "#") {
			break
		}
		comment = append(comment, line)
	}
	return strings.Join(comment, "")
}

// commentsAndTexts returns the comments and string literals of a Go file.
func commentsAndTexts(src string) string {
	var s scanner.Scanner
	fset := token.NewFileSet()
	s.Init(fset.AddFile("", -1, len(src)), []byte(src), nil, scanner.ScanComments)
	var found []string
	for {
		_, tok, text := s.Scan()
		if tok == token.EOF {
			return strings.Join(found, "\n")
		}
		if tok == token.COMMENT || tok == token.STRING {
			found = append(found, text)
		}
	}
}

var (
	codeBlock = regexp.MustCompile("(?ms)^```.*?^```$|^(?:    |\t)[^\n]*$")
	codeSpan  = regexp.MustCompile("`[^`\n]*`")
	link      = regexp.MustCompile(`\]\(([^)\s]+)\)|(?m:^\[[^\]]+\]:\s*(\S+))`)
	heading   = regexp.MustCompile(`(?m)^#+ +(.*)$`)
	notInSlug = regexp.MustCompile(`[^\p{L}\p{N} _-]`)
)

func TestLinksResolve(t *testing.T) {
	for _, name := range tree(t, ".md") {
		text := codeSpan.ReplaceAllString(codeBlock.ReplaceAllString(readFile(t, name), ""), "")
		for _, match := range link.FindAllStringSubmatch(text, -1) {
			target := match[1] + match[2]
			if strings.Contains(target, ":") { // another site
				continue
			}
			file, anchor, _ := strings.Cut(target, "#")
			path := name
			if file != "" {
				path = filepath.Join(filepath.Dir(name), file)
			}
			if _, err := os.Stat(path); err != nil {
				t.Errorf("%s links to %s: %v", name, target, err)
			} else if anchor != "" && !slices.Contains(anchors(readFile(t, path)), anchor) {
				t.Errorf("%s links to %s: no such heading", name, target)
			}
		}
	}
}

// anchors returns the names by which the headings of a page can be linked to.
func anchors(page string) []string {
	var names []string
	for _, match := range heading.FindAllStringSubmatch(codeBlock.ReplaceAllString(page, ""), -1) {
		plain := notInSlug.ReplaceAllString(strings.ToLower(strings.TrimSpace(match[1])), "")
		names = append(names, strings.ReplaceAll(plain, " ", "-"))
	}
	return names
}

// The program in the README is the example that the tests run.
func TestREADMEProgramIsTheExample(t *testing.T) {
	program := goBlock.FindStringSubmatch(readFile(t, "README.md"))
	if program == nil {
		t.Fatal("README.md has no Go program")
	}
	got := functionBody(t, "README.md", program[1], "main")
	want := functionBody(t, "example_test.go", readFile(t, "example_test.go"), "Example")
	if diff := cmp.Diff(got, want); diff != "" {
		t.Errorf("the program in README.md is not Example (-got +want):\n%s", diff)
	}
}

var (
	goBlock = regexp.MustCompile("(?ms)^```go\n(package main\n.*?)^```$")
	output  = regexp.MustCompile(`(?ms)^\s*// (?:Unordered output|Output):.*`)
)

// functionBody returns the text of a function without the output that is
// expected of it.
func functionBody(t *testing.T, file, src, name string) string {
	t.Helper()
	fset := token.NewFileSet()
	parsed, err := parser.ParseFile(fset, file, src, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	for _, decl := range parsed.Decls {
		if fn, ok := decl.(*ast.FuncDecl); ok && fn.Name.Name == name && fn.Recv == nil {
			body := src[fset.Position(fn.Body.Lbrace).Offset+1 : fset.Position(fn.Body.Rbrace).Offset]
			return strings.TrimSpace(output.ReplaceAllString(body, ""))
		}
	}
	t.Fatalf("%s has no func %s", file, name)
	return ""
}

func readFile(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(bytes.ReplaceAll(data, []byte("\r\n"), []byte("\n")))
}
