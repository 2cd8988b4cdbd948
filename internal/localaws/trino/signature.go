package trino

import "encoding/json"

// Signature is a type in parts: its name without parameters, and its parameters.
type Signature struct {
	Name       string     `json:"rawType"`
	Parameters []Argument `json:"arguments"`
}

// Argument is one parameter of a type: the type of an element, key, value or
// field, or a number such as a length, a precision or a scale.
type Argument struct {
	Type   *Signature
	Field  string // the field's name in a row; "" for an unnamed one
	Number int64
}

// UnmarshalJSON reads an argument by its kind.
func (a *Argument) UnmarshalJSON(b []byte) error {
	var wire struct {
		Kind  string          `json:"kind"`
		Value json.RawMessage `json:"value"`
	}
	if err := json.Unmarshal(b, &wire); err != nil {
		return err
	}
	switch wire.Kind {
	case "TYPE":
		a.Type = new(Signature)
		return json.Unmarshal(wire.Value, a.Type)
	case "NAMED_TYPE":
		var field struct {
			Name *struct {
				Name string `json:"name"`
			} `json:"fieldName"`
			Type *Signature `json:"typeSignature"`
		}
		if err := json.Unmarshal(wire.Value, &field); err != nil {
			return err
		}
		a.Type = field.Type
		if field.Name != nil {
			a.Field = field.Name.Name
		}
	case "LONG":
		return json.Unmarshal(wire.Value, &a.Number)
	}
	return nil
}
