// Writes the Go types of the built-in kinds as the API machinery sees them: JSON names, omitempty,
// pointers, patch strategies and merge keys. None of that is in the OpenAPI documents.
//
//	cd gitops-diff/data/dump_types && go run . > ../gotypes.json.zz
package main

import (
	"compress/zlib"
	"encoding/json"
	"os"
	"reflect"
	"sort"
	"strings"

	"k8s.io/client-go/kubernetes/scheme"
)

type dump struct {
	Types []any    `json:"types"`
	Kinds [][4]any `json:"kinds"`
	// Types of k8s.io/api/core/v1 by name.
	Names map[string]int `json:"names"`
	known map[reflect.Type]int
}

var special = map[string]string{
	"k8s.io/apimachinery/pkg/apis/meta/v1.Time":       "time",
	"k8s.io/apimachinery/pkg/apis/meta/v1.MicroTime":  "microtime",
	"k8s.io/apimachinery/pkg/apis/meta/v1.Duration":   "duration",
	"k8s.io/apimachinery/pkg/apis/meta/v1.FieldsV1":   "any",
	"k8s.io/apimachinery/pkg/api/resource.Quantity":   "quantity",
	"k8s.io/apimachinery/pkg/util/intstr.IntOrString": "intstr",
	"k8s.io/apimachinery/pkg/runtime.RawExtension":    "any",
	"k8s.io/apimachinery/pkg/runtime.Unknown":         "any",
}

func (d *dump) add(v any) int {
	d.Types = append(d.Types, v)
	return len(d.Types) - 1
}

func (d *dump) visit(t reflect.Type) int {
	if at, ok := d.known[t]; ok {
		return at
	}
	if name, ok := special[t.PkgPath()+"."+t.Name()]; ok {
		d.known[t] = d.add(name)
		return d.known[t]
	}
	at := d.add(nil)
	d.known[t] = at
	switch t.Kind() {
	case reflect.String:
		d.Types[at] = "string"
	case reflect.Bool:
		d.Types[at] = "bool"
	case reflect.Int32:
		d.Types[at] = "int32"
	case reflect.Int, reflect.Int64:
		d.Types[at] = "int64"
	case reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		d.Types[at] = "uint64"
	case reflect.Float32, reflect.Float64:
		d.Types[at] = "float"
	case reflect.Pointer:
		// Pointers in lists and maps behave as what they point to.
		d.Types[at] = map[string]any{"p": d.visit(t.Elem())}
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 {
			d.Types[at] = "bytes"
		} else {
			d.Types[at] = map[string]any{"l": d.visit(t.Elem())}
		}
	case reflect.Map:
		d.Types[at] = map[string]any{"m": d.visit(t.Elem())}
	case reflect.Struct:
		fields := [][]any{}
		d.fields(t, &fields)
		d.Types[at] = map[string]any{"f": fields}
	default:
		d.Types[at] = "any"
	}
	return at
}

// A field is [name, type, flags, patch strategy, merge key]; flags: 1 omitempty, 2 omitzero, 4 pointer.
func (d *dump) fields(t reflect.Type, out *[][]any) {
	for i := range t.NumField() {
		f := t.Field(i)
		if !f.IsExported() {
			continue
		}
		parts := strings.Split(f.Tag.Get("json"), ",")
		if parts[0] == "-" {
			continue
		}
		if parts[0] == "" {
			if f.Anonymous {
				e := f.Type
				if e.Kind() == reflect.Pointer {
					e = e.Elem()
				}
				d.fields(e, out)
			}
			continue
		}
		flags := 0
		for _, option := range parts[1:] {
			switch option {
			case "omitempty":
				flags |= 1
			case "omitzero":
				flags |= 2
			}
		}
		e := f.Type
		if e.Kind() == reflect.Pointer {
			flags |= 4
			e = e.Elem()
		}
		field := []any{parts[0], d.visit(e), flags}
		if s := f.Tag.Get("patchStrategy"); s != "" {
			field = append(field, s)
			if k := f.Tag.Get("patchMergeKey"); k != "" {
				field = append(field, k)
			}
		}
		*out = append(*out, field)
	}
}

func main() {
	d := &dump{known: map[reflect.Type]int{}}
	all := scheme.Scheme.AllKnownTypes()
	keys := []string{}
	byKey := map[string]reflect.Type{}
	parts := map[string][3]string{}
	for gvk, t := range all {
		if gvk.Version == "__internal" || strings.HasSuffix(gvk.Kind, "List") ||
			strings.HasSuffix(gvk.Kind, "Options") || gvk.Kind == "WatchEvent" {
			continue
		}
		if _, ok := t.FieldByName("ObjectMeta"); !ok {
			continue
		}
		k := gvk.Group + "/" + gvk.Version + "/" + gvk.Kind
		keys = append(keys, k)
		byKey[k] = t
		parts[k] = [3]string{gvk.Group, gvk.Version, gvk.Kind}
	}
	sort.Strings(keys)
	for _, k := range keys {
		p := parts[k]
		d.Kinds = append(d.Kinds, [4]any{p[0], p[1], p[2], d.visit(byKey[k])})
	}
	d.Names = map[string]int{}
	for t, at := range d.known {
		if t.PkgPath() == "k8s.io/api/core/v1" && t.Name() != "" {
			d.Names[t.Name()] = at
		}
	}
	w, err := zlib.NewWriterLevel(os.Stdout, zlib.BestCompression)
	if err != nil {
		panic(err)
	}
	if err := json.NewEncoder(w).Encode(d); err != nil {
		panic(err)
	}
	if err := w.Close(); err != nil {
		panic(err)
	}
}
