// Renders with Helm 3 and Helm 4, for comparison with gitops-render.
//
// Reads one JSON object a line and answers each with one line, {"out": …} or {"error": …}; texts are
// base64, since output need not be UTF-8. A request names the Helm ("helm": 3 or 4) and is either an
// expression, {"expr": …, "values": …}, rendered by the engine alone, or a chart on disk with the flags
// of `helm template`, {"chart": …, "flags": …}.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"log/slog"
	"os"
	"time"
	_ "time/tzdata" // The zones of the other side do not come from the machine either.
)

type request struct {
	Helm   int            `json:"helm"`
	Expr   string         `json:"expr"`
	Values map[string]any `json:"values"`
	Chart  string         `json:"chart"`
	Flags  flags          `json:"flags"`
}

type flags struct {
	Release              string   `json:"release"`
	Namespace            string   `json:"namespace"`
	KubeVersion          string   `json:"kube_version"`
	APIVersions          []string `json:"api_versions"`
	ValueFiles           []string `json:"values"`
	Set                  []string `json:"set"`
	SetString            []string `json:"set_string"`
	SetFile              []string `json:"set_file"`
	SetJSON              []string `json:"set_json"`
	SetLiteral           []string `json:"set_literal"`
	ShowOnly             []string `json:"show_only"`
	IncludeCRDs          bool     `json:"include_crds"`
	NoHooks              bool     `json:"no_hooks"`
	SkipTests            bool     `json:"skip_tests"`
	IsUpgrade            bool     `json:"is_upgrade"`
	SkipSchemaValidation bool     `json:"skip_schema_validation"`
}

type answer struct {
	Out   []byte `json:"out,omitempty"`
	Error []byte `json:"error,omitempty"`
}

func respond(req request) (a answer) {
	defer func() {
		if r := recover(); r != nil {
			a = answer{Error: []byte(fmt.Sprint("panic: ", r))}
		}
	}()
	var out string
	var err error
	switch {
	case req.Chart != "" && req.Helm == 3:
		out, err = template3(req.Chart, req.Flags)
	case req.Chart != "":
		out, err = template4(req.Chart, req.Flags)
	case req.Helm == 3:
		out, err = expression3(req.Expr, req.Values)
	default:
		out, err = expression4(req.Expr, req.Values)
	}
	if err != nil {
		return answer{Error: []byte(err.Error())}
	}
	return answer{Out: []byte(out)}
}

func main() {
	log.SetOutput(io.Discard)
	slog.SetDefault(slog.New(slog.DiscardHandler))
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(make([]byte, 1<<20), 1<<26)
	out := bufio.NewWriter(os.Stdout)
	encoder := json.NewEncoder(out)
	for in.Scan() {
		var req request
		if err := json.Unmarshal(in.Bytes(), &req); err != nil {
			panic(err)
		}
		// Some generated questions ask for more than any machine has; the other side starts this anew.
		limit := time.AfterFunc(10*time.Second, func() { os.Exit(3) })
		given := respond(req)
		limit.Stop()
		if err := encoder.Encode(given); err != nil {
			panic(err)
		}
		// One answer at a time: the other side waits for it.
		if err := out.Flush(); err != nil {
			panic(err)
		}
	}
}
