package audit

import (
	"errors"
	"fmt"

	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
)

// occurrence is one thing that a policy holds against one subject.
type occurrence struct {
	message  string
	service  string
	resource string
	key      string
	evidence []string // ids of records of the subject
	count    int      // how often it happened; 0 is once
}

// occurrences holds one subject against the policy.
func (p *Policy) occurrences(subject any) ([]occurrence, error) {
	sure := false
	if r, ok := subject.(*record); ok && p.quick != nil {
		switch p.quick.of(r) {
		case no:
			return nil, nil
		case yes:
			if p.plain {
				return []occurrence{p.said(r)}, nil
			}
			sure = true
		}
	}
	vars := p.variables(subject)
	for _, d := range p.define {
		if d.constant != nil {
			vars[d.name] = d.constant
			continue
		}
		// Evaluated where it is used, once.
		vars[d.name] = func() ref.Val {
			v, err := d.expr.eval(vars)
			if err != nil {
				return types.WrapErr(fmt.Errorf("define %s: %w", d.name, err))
			}
			return v
		}
	}
	if sure {
		return p.seen(vars, nil)
	}
	if p.each == nil {
		return p.occurrence(vars, nil)
	}
	v, err := p.each.eval(vars)
	if err != nil {
		return nil, fmt.Errorf("each: %w", err)
	}
	elements, ok := v.(traits.Lister)
	if !ok {
		return nil, fmt.Errorf("each: %s is no list", v.Type().TypeName())
	}
	var out []occurrence
	for it := elements.Iterator(); it.HasNext().Value() == true; {
		vars[elementVariable] = it.Next()
		if out, err = p.occurrence(vars, out); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// occurrence appends what the condition holds against the variables.
func (p *Policy) occurrence(vars map[string]any, out []occurrence) ([]occurrence, error) {
	v, err := p.when.eval(vars)
	if err != nil {
		return nil, fmt.Errorf("when: %w", err)
	}
	if v.Value() != true {
		return out, nil
	}
	return p.seen(vars, out)
}

// seen appends what there is to say of variables for which the condition holds.
func (p *Policy) seen(vars map[string]any, out []occurrence) ([]occurrence, error) {
	o, err := p.words(vars)
	if err != nil {
		return nil, err
	}
	if p.found != nil {
		if o.evidence, err = p.ids(vars); err != nil {
			return nil, fmt.Errorf("evidence: %w", err)
		}
	}
	if p.count != nil {
		if o.count, err = p.times(vars); err != nil {
			return nil, fmt.Errorf("count: %w", err)
		}
	}
	return append(out, o), nil
}

// said is words of a record, where closures know all of them.
func (p *Policy) said(r *record) occurrence {
	return occurrence{
		message: shorten(p.message.of(r)), service: p.service.of(r), resource: p.scope.of(r), key: p.key.of(r),
	}
}

// words are what an occurrence says, and what it is about.
func (p *Policy) words(vars map[string]any) (occurrence, error) {
	var o occurrence
	var err error
	for _, f := range []struct {
		name string
		from template
		to   *string
	}{
		{"message", p.message, &o.message},
		{"service", p.service, &o.service},
		{"resource", p.scope, &o.resource},
		{"key", p.key, &o.key},
	} {
		if *f.to, err = f.from.text(vars); err != nil {
			return o, fmt.Errorf("%s: %w", f.name, err)
		}
	}
	o.message = shorten(o.message)
	return o, nil
}

// about is what an occurrence on a subject would be about, whether or not the
// condition holds. A policy that judges the elements of a list is about none.
func (p *Policy) about(subject any) (occurrence, error) {
	if p.each != nil {
		return occurrence{}, errors.New("the policy is on the elements of a list")
	}
	vars := p.variables(subject)
	for _, d := range p.define {
		v, err := d.expr.eval(vars)
		if err != nil {
			return occurrence{}, fmt.Errorf("define %s: %w", d.name, err)
		}
		vars[d.name] = v
	}
	return p.words(vars)
}

// maxTimes bounds what one occurrence may count for.
const maxTimes = 1_000_000

// times is how often something happened, at least once.
func (p *Policy) times(vars map[string]any) (int, error) {
	v, err := p.count.eval(vars)
	if err != nil {
		return 0, err
	}
	n, ok := v.Value().(int64)
	if !ok {
		return 0, fmt.Errorf("%s is no whole number", v.Type().TypeName())
	}
	return int(min(max(n, 1), maxTimes)), nil
}

// variables are the names under which expressions find a subject.
func (p *Policy) variables(subject any) map[string]any {
	if v, ok := subject.(*verdict); ok {
		return map[string]any{recordVariable: v.record, callVariable: v.call, changeVariable: v.change}
	}
	if r, ok := subject.(*record); ok {
		r.fill()
	}
	name, _ := variableOf(p.On)
	return map[string]any{name: subject}
}

func (p *Policy) ids(vars map[string]any) ([]string, error) {
	v, err := p.found.eval(vars)
	if err != nil {
		return nil, err
	}
	ids, err := texts(v)
	if err == nil && len(ids) == 0 {
		err = errors.New("the list is empty, where the condition saw something")
	}
	return ids, err
}

// texts are the elements of a CEL list of strings.
func texts(v ref.Val) ([]string, error) {
	l, ok := v.(traits.Lister)
	if !ok {
		return nil, fmt.Errorf("%s is no list", v.Type().TypeName())
	}
	var out []string
	for it := l.Iterator(); it.HasNext().Value() == true; {
		s, ok := it.Next().Value().(string)
		if !ok {
			return nil, errors.New("an element is no string")
		}
		out = append(out, s)
	}
	return out, nil
}
