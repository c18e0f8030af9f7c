package resources

import (
	"errors"
	"fmt"
	"reflect"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/vm"
)

// Bounds of an expression: how long it may be, and what one evaluation may take. The second counts the elements of all
// lists and maps that it makes, the bytes of repeated text, and each round of each loop.
const (
	maxExpression = 4 << 10
	maxSteps      = 100_000
)

// Expression is a field of a spec in the language of expr-lang.org, which may name the fields of E (by their tag "expr")
// and gives an R. It is compiled when the spec is read, so that what is misspelt or of another type is an
// error of the spec. It has no side effects, sees neither files nor network, and always ends. The zero Expression is that of
// an empty string. It may be used concurrently.
type Expression[E, R any] struct {
	text    string
	program *vm.Program // nil: empty
}

// UnmarshalText compiles an expression. Errors say where in the expression.
func (x *Expression[E, R]) UnmarshalText(b []byte) error {
	*x = Expression[E, R]{text: string(b)}
	switch {
	case len(b) == 0:
		return nil
	case len(b) > maxExpression:
		return fmt.Errorf("it has %d bytes; an expression may have %d", len(b), maxExpression)
	}
	var env E
	options := []expr.Option{expr.Env(env), expr.Optimize(false), expr.Patch(loops{})}
	if kind := reflect.TypeFor[R]().Kind(); kind != reflect.Interface {
		options = append(options, expr.AsKind(kind))
	}
	var err error
	if x.program, err = expr.Compile(x.text, options...); err != nil {
		return placed(err)
	}
	return nil
}

// Empty tells that there is no expression.
func (x Expression[E, R]) Empty() bool { return x.program == nil }

// String returns the expression as it was written.
func (x Expression[E, R]) String() string { return x.text }

// Eval evaluates an expression that is not empty. An error is about these very values, such as a field that they lack, or
// tells that it takes too much.
func (x Expression[E, R]) Eval(values E) (R, error) {
	var result R
	machine := vm.VM{MemoryBudget: maxSteps}
	value, err := machine.Run(x.program, values)
	if err != nil {
		return result, placed(err)
	}
	if value == nil && reflect.TypeFor[R]().Kind() == reflect.Interface {
		return result, nil
	}
	result, ok := value.(R)
	if !ok {
		return result, fmt.Errorf("it gave a value of type %T; it must give a %s", value, reflect.TypeFor[R]())
	}
	return result, nil
}

// placed makes one line of an error of the language, which draws an arrow under the text.
func placed(err error) error {
	var at *file.Error
	if errors.As(err, &at) {
		return fmt.Errorf("%s (line %d, column %d of the expression)", at.Message, at.Line, at.Column+1)
	}
	return err
}

// loops makes every round of a loop cost what a list of one element costs, by rewriting the body b to [b][0]. The
// language counts only memory: three loops over a list that was made once would run for years within its budget.
// The optimizer would see through it, and is off.
type loops struct{}

// Visit implements ast.Visitor.
func (loops) Visit(node *ast.Node) {
	if body, ok := (*node).(*ast.PredicateNode); ok {
		body.Node = &ast.MemberNode{Node: &ast.ArrayNode{Nodes: []ast.Node{body.Node}}, Property: &ast.IntegerNode{}}
	}
}
