package jettison_test

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// rootModules are the modules that a program which vendors the root module
// gets. The list grows only with a reason.
var rootModules = []string{
	"github.com/distribution/reference",    // names of images
	"github.com/jettison-oci/jettison",     // this module
	"github.com/opencontainers/go-digest",  // their IDs
	"github.com/opencontainers/image-spec", // configurations and descriptors
	"github.com/pkg/errors",                // errors
	"github.com/tidwall/btree",             // the engine in memory
	"go.etcd.io/bbolt",                     // the engine on disk
	"golang.org/x/sys",                     // which bbolt needs
}

func TestRootDependsOnTheAllowedModules(t *testing.T) {
	packages := slices.DeleteFunc(strings.Fields(goCommand(t, "list", "./...")), func(path string) bool {
		return strings.HasSuffix(path, "/internal/scripttest") // what tests run scripts by
	})
	out := goCommand(t, append([]string{"list", "-deps", "-f", "{{with .Module}}{{.Path}}{{end}}"}, packages...)...)
	got := strings.Fields(out)
	slices.Sort(got)
	if diff := cmp.Diff(slices.Compact(got), rootModules); diff != "" {
		t.Errorf("modules of the root module outside tests (-got +want):\n%s\ngo mod graph:\n%s", diff, goCommand(t, "mod", "graph"))
	}
}

func TestRootReplacesNothing(t *testing.T) {
	var mod struct{ Replace []any }
	if err := json.Unmarshal([]byte(goCommand(t, "mod", "edit", "-json")), &mod); err != nil {
		t.Fatal(err)
	}
	if len(mod.Replace) > 0 {
		t.Errorf("go.mod replaces %v; a replaced module is not what a vendoring user gets", mod.Replace)
	}
}

// goCommand returns what a go command prints, run outside the workspace: as
// the root module is seen from elsewhere.
func goCommand(t *testing.T, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", args...)
	cmd.Env = append(os.Environ(), "GOWORK=off")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go %s: %v", strings.Join(args, " "), err)
	}
	return string(out)
}

func TestEverythingExportedIsDocumented(t *testing.T) {
	for dir, files := range goFiles(t, isNoTest) {
		fset := token.NewFileSet()
		hasDoc := false
		for _, name := range files {
			file, err := parser.ParseFile(fset, name, nil, parser.ParseComments|parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			hasDoc = hasDoc || file.Doc.Text() != ""
			for _, bare := range undocumented(file) {
				t.Errorf("%s: exported %s has no comment", fset.Position(bare.Pos()), bare.Name)
			}
		}
		if !hasDoc {
			t.Errorf("package in %s has no comment", dir)
		}
	}
}

// undocumented returns the exported names of a file that have no comment.
func undocumented(file *ast.File) []*ast.Ident {
	var bare []*ast.Ident
	for _, decl := range file.Decls {
		switch decl := decl.(type) {
		case *ast.FuncDecl:
			if decl.Doc.Text() == "" && exportedReceiver(decl) {
				bare = append(bare, decl.Name)
			}
		case *ast.GenDecl:
			for _, spec := range decl.Specs {
				bare = append(bare, undocumentedIn(spec, decl)...)
			}
		}
	}
	return slices.DeleteFunc(bare, func(name *ast.Ident) bool { return !name.IsExported() })
}

// exportedReceiver reports whether decl is a function, or a method of an
// exported type.
func exportedReceiver(decl *ast.FuncDecl) bool {
	if decl.Recv == nil {
		return true
	}
	exported := true
	ast.Inspect(decl.Recv.List[0].Type, func(n ast.Node) bool {
		name, ok := n.(*ast.Ident)
		if ok {
			exported = name.IsExported()
		}
		return !ok && exported
	})
	return exported
}

// undocumentedIn returns the names that spec declares without a comment. The
// comment of a group of constants or variables stands for each of them.
func undocumentedIn(spec ast.Spec, group *ast.GenDecl) []*ast.Ident {
	switch spec := spec.(type) {
	case *ast.ValueSpec:
		if spec.Doc.Text() == "" && spec.Comment.Text() == "" && group.Doc.Text() == "" {
			return spec.Names
		}
	case *ast.TypeSpec:
		if spec.Doc.Text() == "" && group.Doc.Text() == "" {
			return []*ast.Ident{spec.Name}
		}
		if spec.Name.IsExported() {
			return undocumentedMembers(spec.Type, strings.ToLower(spec.Doc.Text()+group.Doc.Text()))
		}
	}
	return nil
}

// undocumentedMembers returns the methods of an interface type and the fields
// of a struct type that have no comment. The comment above a field also stands
// for those on the lines right below it, as in a list, and the comment of a
// struct, in lower case, for the fields it speaks of.
func undocumentedMembers(typ ast.Expr, comment string) []*ast.Ident {
	switch typ := typ.(type) {
	case *ast.InterfaceType:
		return undocumentedFields(typ.Methods)
	case *ast.StructType:
		return slices.DeleteFunc(undocumentedFields(typ.Fields), func(field *ast.Ident) bool {
			return strings.Contains(comment, strings.ToLower(field.Name))
		})
	}
	return nil
}

func undocumentedFields(fields *ast.FieldList) []*ast.Ident {
	var bare []*ast.Ident
	listed := token.NoPos // where a field would start that the comment before stands for
	for _, field := range fields.List {
		if field.Doc.Text() == "" && field.Comment.Text() == "" && field.Pos() > listed {
			bare = append(bare, field.Names...)
			continue
		}
		listed = field.End() + token.Pos(len("\n\t\t"))
	}
	return bare
}

func isNoTest(name string) bool { return !strings.HasSuffix(name, "_test.go") }
func isTest(name string) bool   { return !isNoTest(name) }

// goFiles returns the Go files of every package of the repository that satisfy
// want, by directory.
func goFiles(t *testing.T, want func(name string) bool) map[string][]string {
	t.Helper()
	files := map[string][]string{}
	for _, name := range tree(t, ".go") {
		if want(name) && !strings.Contains(name, "testdata") {
			files[filepath.Dir(name)] = append(files[filepath.Dir(name)], name)
		}
	}
	if len(files) == 0 {
		t.Fatal("there are no Go files")
	}
	return files
}

// tree returns the files of the repository whose names end in suffix, without
// those in hidden directories.
func tree(t *testing.T, suffix string) []string {
	t.Helper()
	var names []string
	err := filepath.WalkDir(".", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && name != "." && strings.HasPrefix(entry.Name(), "."):
			return filepath.SkipDir
		case !entry.IsDir() && strings.HasSuffix(name, suffix):
			names = append(names, name)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}
