// Times Helm's SDK on charts: load, process dependencies, coalesce, render, split and sort, to the
// text that `helm template` prints, on one thread.
//
// Usage: peer ROUNDS CHART...
package main

import (
	"bytes"
	"fmt"
	"io"
	"log"
	"log/slog"
	"os"
	"runtime"
	"strconv"
	"time"

	"helm.sh/helm/v4/pkg/action"
	ci "helm.sh/helm/v4/pkg/chart"
	"helm.sh/helm/v4/pkg/chart/common"
	"helm.sh/helm/v4/pkg/chart/loader"
	release "helm.sh/helm/v4/pkg/release/v1"
)

func render(chart ci.Charter) (string, error) {
	install := action.NewInstall(new(action.Configuration))
	install.DryRunStrategy = action.DryRunClient
	install.ReleaseName = "rel"
	install.Namespace = "default"
	install.Replace = true
	install.KubeVersion = &common.DefaultCapabilities.KubeVersion
	result, err := install.Run(chart, map[string]any{})
	if err != nil {
		return "", err
	}
	rel, ok := result.(*release.Release)
	if !ok {
		return "", fmt.Errorf("unexpected release %T", result)
	}
	var text bytes.Buffer
	text.WriteString(rel.Manifest)
	for _, hook := range rel.Hooks {
		fmt.Fprintf(&text, "---\n# Source: %s\n%s\n", hook.Path, hook.Manifest)
	}
	return text.String(), nil
}

func main() {
	runtime.GOMAXPROCS(1)
	log.SetOutput(io.Discard)
	slog.SetDefault(slog.New(slog.DiscardHandler))
	rounds, err := strconv.Atoi(os.Args[1])
	if err != nil {
		panic(err)
	}
	whole, loading := time.Duration(1<<63-1), time.Duration(1<<63-1)
	failed := 0
	for range rounds {
		var load time.Duration
		start := time.Now()
		failed = 0
		for _, path := range os.Args[2:] {
			before := time.Now()
			chart, err := loader.Load(path)
			load += time.Since(before)
			if err != nil {
				failed++
				continue
			}
			if _, err := render(chart); err != nil {
				failed++
			}
		}
		whole = min(whole, time.Since(start))
		loading = min(loading, load)
	}
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	fmt.Printf("helm  from disk                %9.2f ms\n", ms(whole))
	fmt.Printf("helm  without loading          %9.2f ms\n", ms(whole-loading))
	if failed > 0 {
		fmt.Printf("helm  %d charts failed\n", failed)
	}
}
