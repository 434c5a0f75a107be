package doctest

import (
	"fmt"
	"go/ast"
	"go/constant"
	"go/parser"
	"go/token"
	"io/fs"
	"math/big"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

var (
	limitRow   = regexp.MustCompile("(?m)^\\| ([^|]+) \\| ([^|]+) \\| `([^`]+)`[^|]* \\| [^|]+ \\|$")
	settingRow = regexp.MustCompile("(?m)^\\| `([^`]+)` \\| `[^`]+` \\| [^|]+ \\| `([^`]+)` \\|")
	amount     = regexp.MustCompile(`^([\d,]+) ?(KiB|MiB|GiB|bytes|s|min|h|days)?$`)
)

// TestLimits: docs/limits.md says of each limit what the code says.
func TestLimits(t *testing.T) {
	pages := readPages(t)
	defaults := map[string]string{}
	for _, m := range settingRow.FindAllStringSubmatch(pages["docs/configuration.md"], -1) {
		defaults["--"+m[1]] = m[2]
	}
	compared := 0
	for _, row := range limitRow.FindAllStringSubmatch(pages["docs/limits.md"], -1) {
		what, says, where := row[1], row[2], row[3]
		want, isAmount := readAmount(says)
		var got *big.Int
		if strings.HasPrefix(where, "--") {
			text, known := defaults[where]
			if !known {
				t.Errorf("%s: there is no setting %s", what, where)
				continue
			}
			if !isAmount {
				continue // it depends on the machine
			}
			got = readDefault(text)
		} else {
			value, err := constantOf(where)
			if err != nil {
				t.Errorf("%s: %v", what, err)
				continue
			}
			got = value
		}
		compared++
		if !isAmount || got == nil || got.Cmp(want) != 0 {
			t.Errorf("%s: docs/limits.md says %s, and %s is %v", what, says, where, got)
		}
	}
	if compared < 60 {
		t.Errorf("compared %d limits", compared)
	}
}

// readAmount reads an amount as the page writes it: a number, bytes, or nanoseconds.
func readAmount(text string) (*big.Int, bool) {
	m := amount.FindStringSubmatch(text)
	if m == nil {
		return nil, false
	}
	n, _ := new(big.Int).SetString(strings.ReplaceAll(m[1], ",", ""), 10)
	unit := map[string]int64{
		"": 1, "bytes": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30,
		"s": int64(time.Second), "min": int64(time.Minute), "h": int64(time.Hour), "days": 24 * int64(time.Hour),
	}[m[2]]
	return n.Mul(n, big.NewInt(unit)), true
}

// readDefault reads the default of a setting.
func readDefault(text string) *big.Int {
	if d, err := time.ParseDuration(text); err == nil && strings.ContainsAny(text, "smh") {
		return big.NewInt(int64(d))
	}
	n, ok := new(big.Int).SetString(text, 10)
	if !ok {
		return nil
	}
	return n
}

// constantOf returns the value of a constant, "folder.name"; "ostiary" is the root of the project.
func constantOf(where string) (*big.Int, error) {
	folder, name, _ := strings.Cut(where, ".")
	if folder == "ostiary" {
		folder = "."
	}
	constants := map[string]ast.Expr{}
	files, err := filepath.Glob(filepath.Join(root, folder, "*.go"))
	if err != nil || files == nil {
		return nil, fmt.Errorf("%s: no such package: %w", where, fs.ErrNotExist)
	}
	for _, path := range files {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			return nil, err
		}
		for _, d := range file.Decls {
			declaration, is := d.(*ast.GenDecl)
			if !is || declaration.Tok != token.CONST {
				continue
			}
			for _, s := range declaration.Specs {
				spec := s.(*ast.ValueSpec)
				for i, n := range spec.Names {
					if i < len(spec.Values) {
						constants[n.Name] = spec.Values[i]
					}
				}
			}
		}
	}
	if constants[name] == nil {
		return nil, fmt.Errorf("%s: no such constant", where)
	}
	value, err := evaluate(constants[name], constants)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", where, err)
	}
	n, ok := new(big.Int).SetString(constant.ToInt(value).ExactString(), 10)
	if !ok {
		return nil, fmt.Errorf("%s is %s", where, value)
	}
	return n, nil
}

// evaluate evaluates a constant expression over constants of its package and durations.
func evaluate(e ast.Expr, constants map[string]ast.Expr) (constant.Value, error) {
	switch e := e.(type) {
	case *ast.BasicLit:
		return constant.MakeFromLiteral(e.Value, e.Kind, 0), nil
	case *ast.ParenExpr:
		return evaluate(e.X, constants)
	case *ast.Ident:
		if value := constants[e.Name]; value != nil {
			return evaluate(value, constants)
		}
	case *ast.SelectorExpr:
		durations := map[string]time.Duration{"Millisecond": time.Millisecond, "Second": time.Second, "Minute": time.Minute, "Hour": time.Hour}
		if d := durations[e.Sel.Name]; d != 0 {
			return constant.MakeInt64(int64(d)), nil
		}
	case *ast.BinaryExpr:
		x, err := evaluate(e.X, constants)
		if err != nil {
			return nil, err
		}
		y, err := evaluate(e.Y, constants)
		if err != nil {
			return nil, err
		}
		if e.Op == token.SHL {
			n, _ := constant.Uint64Val(y)
			return constant.Shift(x, token.SHL, uint(n)), nil
		}
		return constant.BinaryOp(x, e.Op, y), nil
	}
	return nil, fmt.Errorf("an expression of the kind %T is not read here", e)
}
