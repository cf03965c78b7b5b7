// Prints the protobuf messages of the API's stable versions, for the REST face of the embedded
// cluster: go run ./messages > ../../../src/embedded/rest/protobuf/messages.txt
//
// A line is `kind <apiVersion> <Kind> <message>` or `<message> <field>...`; a field is
// `<JSON name>:<number>:<flags>:<type>`. Flags: * may be absent, ! is written when it is empty,
// ^ has its fields in the message around it, [ a list, { a map. Types: s text, b bytes, i integer,
// d float, o boolean, t time, m time with microseconds, g duration, q quantity, n integer or text,
// r JSON, l list of texts, and names of messages.
package main

import (
	"fmt"
	"reflect"
	"regexp"
	"sort"
	"strings"

	"k8s.io/client-go/kubernetes/scheme"
)

var stable = regexp.MustCompile(`^v[0-9]+$`)

var special = map[string]string{
	"meta/v1.Time": "t", "meta/v1.MicroTime": "m", "meta/v1.Duration": "g",
	"api/resource.Quantity": "q", "util/intstr.IntOrString": "n",
	"meta/v1.FieldsV1": "r", "pkg/runtime.RawExtension": "r",
}

var messages = map[string]string{}

func name(t reflect.Type) string {
	parts := strings.Split(t.PkgPath(), "/")
	return strings.Join(parts[len(parts)-2:], "/") + "." + t.Name()
}

func typeOf(t reflect.Type) string {
	if known, ok := special[name2(t)]; ok {
		return known
	}
	switch t.Kind() {
	case reflect.String:
		return "s"
	case reflect.Bool:
		return "o"
	case reflect.Int, reflect.Int32, reflect.Int64, reflect.Uint32, reflect.Uint64, reflect.Uint8:
		return "i"
	case reflect.Float32, reflect.Float64:
		return "d"
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 {
			return "b"
		}
		if t.Elem().Kind() == reflect.String {
			return "l"
		}
	case reflect.Struct:
		add(t)
		return name(t)
	}
	return "?" + t.String()
}

func name2(t reflect.Type) string {
	if t.PkgPath() == "" {
		return ""
	}
	return name(t)
}

func add(t reflect.Type) {
	key := name(t)
	if _, ok := messages[key]; ok {
		return
	}
	messages[key] = ""
	var fields []string
	for i := 0; i < t.NumField(); i++ {
		field := t.Field(i)
		proto, json := field.Tag.Get("protobuf"), field.Tag.Get("json")
		if proto == "" || proto == "-" {
			continue
		}
		number := strings.Split(proto, ",")[1]
		words := strings.Split(json, ",")
		flags, of := "", field.Type
		if strings.Contains(json, ",inline") {
			flags += "^"
		} else if len(words) < 2 || words[1] == "" {
			flags += "!"
		}
		if of.Kind() == reflect.Pointer {
			flags, of = flags+"*", of.Elem()
		}
		isNamed := of.PkgPath() != ""
		if of.Kind() == reflect.Map {
			flags, of = flags+"{", of.Elem()
		} else if of.Kind() == reflect.Slice && of.Elem().Kind() != reflect.Uint8 &&
			!(isNamed && of.Elem().Kind() == reflect.String && special[name2(of)] == "" && strings.Contains(proto, "bytes") && !strings.Contains(proto, "rep")) {
			flags, of = flags+"[", of.Elem()
		}
		fields = append(fields, words[0]+":"+number+":"+flags+":"+typeOf(of))
	}
	messages[key] = strings.Join(fields, " ")
}

func main() {
	var kinds []string
	for gvk, t := range scheme.Scheme.AllKnownTypes() {
		if stable.MatchString(gvk.Version) && gvk.Group != "__internal" && t.Kind() == reflect.Struct {
			if strings.HasSuffix(gvk.Kind, "List") && gvk.Kind != "List" || gvk.Kind == "WatchEvent" || gvk.Kind == "List" {
				continue
			}
			apiVersion, _ := gvk.ToAPIVersionAndKind()
			kinds = append(kinds, fmt.Sprintf("kind %s %s %s", apiVersion, gvk.Kind, name(t)))
			add(t)
		}
	}
	sort.Strings(kinds)
	var lines []string
	for key, fields := range messages {
		lines = append(lines, strings.TrimSpace(key+" "+fields))
	}
	sort.Strings(lines)
	for _, line := range append(kinds, lines...) {
		fmt.Println(line)
	}
}
