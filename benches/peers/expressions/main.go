// Renders template expressions with the engine of Helm 4, for comparison with gitops-render.
//
// Reads one JSON object a line, {"expr": …, "values": …}, and answers each with one line,
// {"out": …} or {"error": …}; texts are base64, since output need not be UTF-8.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"

	"helm.sh/helm/v4/pkg/chart/common"
	"helm.sh/helm/v4/pkg/chart/common/util"
	chart "helm.sh/helm/v4/pkg/chart/v2"
	"helm.sh/helm/v4/pkg/engine"
)

type request struct {
	Expr   string         `json:"expr"`
	Values map[string]any `json:"values"`
}

type answer struct {
	Out   []byte `json:"out,omitempty"`
	Error []byte `json:"error,omitempty"`
}

func render(req request) (a answer) {
	defer func() {
		if r := recover(); r != nil {
			a = answer{Error: []byte(fmt.Sprint("panic: ", r))}
		}
	}()
	chrt := &chart.Chart{
		Metadata: &chart.Metadata{Name: "x", Version: "1.2.3", AppVersion: "4.5", APIVersion: "v2"},
		Templates: []*common.File{
			{Name: "templates/e.yaml", Data: []byte(req.Expr)},
		},
	}
	capabilities := common.DefaultCapabilities.Copy()
	version, err := common.ParseKubeVersion("v1.31.0")
	if err != nil {
		panic(err)
	}
	capabilities.KubeVersion = *version
	values, err := util.ToRenderValues(chrt, req.Values, common.ReleaseOptions{
		Name: "r", Namespace: "ns", Revision: 1, IsInstall: true,
	}, capabilities)
	if err != nil {
		return answer{Error: []byte("values: " + err.Error())}
	}
	out, err := new(engine.Engine).Render(chrt, values)
	if err != nil {
		return answer{Error: []byte(err.Error())}
	}
	return answer{Out: []byte(out["x/templates/e.yaml"])}
}

func main() {
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(make([]byte, 1<<20), 1<<26)
	out := bufio.NewWriter(os.Stdout)
	encoder := json.NewEncoder(out)
	for in.Scan() {
		var req request
		if err := json.Unmarshal(in.Bytes(), &req); err != nil {
			panic(err)
		}
		if err := encoder.Encode(render(req)); err != nil {
			panic(err)
		}
		// One answer at a time: the other side waits for it after a batch.
		if err := out.Flush(); err != nil {
			panic(err)
		}
	}
}
