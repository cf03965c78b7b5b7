// Renders charts with Helm's SDK, as `helm template rel CHART` does, and measures it on one thread.
//
// Usage: peer MODE ROUNDS < list of chart directories, one a line
//
// Modes: `disk` and `memory` load and render each chart, `again` renders charts that were loaded
// before with other values each round, `parsed` does so and reads each document into a map,
// `check` prints a hash of each output instead of times. Prints one JSON object.
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"io"
	"log"
	"log/slog"
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"helm.sh/helm/v4/pkg/action"
	ci "helm.sh/helm/v4/pkg/chart"
	"helm.sh/helm/v4/pkg/chart/common"
	"helm.sh/helm/v4/pkg/chart/loader/archive"
	chart "helm.sh/helm/v4/pkg/chart/v2"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	release "helm.sh/helm/v4/pkg/release/v1"
	releaseutil "helm.sh/helm/v4/pkg/release/v1/util"
	"sigs.k8s.io/yaml"
)

func render(chart *chart.Chart, values map[string]any) (string, error) {
	install := action.NewInstall(new(action.Configuration))
	install.DryRunStrategy = action.DryRunClient
	install.ReleaseName = "rel"
	install.Namespace = "default"
	install.Replace = true
	install.KubeVersion = &common.DefaultCapabilities.KubeVersion
	accessor, err := ci.NewAccessor(chart)
	if err != nil {
		return "", err
	}
	if err := action.CheckDependencies(chart, accessor.MetaDependencies()); err != nil {
		return "", err
	}
	result, err := install.Run(chart, values)
	if err != nil {
		return "", err
	}
	rel, ok := result.(*release.Release)
	if !ok {
		return "", fmt.Errorf("unexpected release %T", result)
	}
	var text bytes.Buffer
	fmt.Fprintln(&text, strings.TrimSpace(rel.Manifest))
	for _, hook := range rel.Hooks {
		fmt.Fprintf(&text, "---\n# Source: %s\n%s\n", hook.Path, hook.Manifest)
	}
	return text.String(), nil
}

func parsed(text string) ([]map[string]any, error) {
	var objects []map[string]any
	for _, document := range releaseutil.SplitManifests(text) {
		var object map[string]any
		if err := yaml.Unmarshal([]byte(document), &object); err != nil {
			return nil, err
		}
		objects = append(objects, object)
	}
	return objects, nil
}

// read gives the files of a chart as the loader wants them, without those that are ignored.
func read(directory string) ([]*archive.BufferedFile, error) {
	chart, err := loader.LoadDir(directory)
	if err != nil {
		return nil, err
	}
	var files []*archive.BufferedFile
	for _, file := range chart.Raw {
		files = append(files, &archive.BufferedFile{Name: file.Name, Data: file.Data})
	}
	return files, nil
}

// cpu is the processor time of the process so far, garbage collection included.
func cpu() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return 0
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

func peakKiB() int {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	for _, line := range strings.Split(string(status), "\n") {
		if rest, found := strings.CutPrefix(line, "VmHWM:"); found {
			peak, _ := strconv.Atoi(strings.TrimSuffix(strings.TrimSpace(rest), " kB"))
			return peak
		}
	}
	return 0
}

type item struct {
	path  string
	files []*archive.BufferedFile
	chart *chart.Chart
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// prepare does what a mode does before the clock starts.
func prepare(mode, path string) item {
	prepared := item{path: path}
	var err error
	switch mode {
	case "memory":
		prepared.files, err = read(path)
	case "again", "parsed":
		prepared.chart, err = loader.LoadDir(path)
	}
	check(err)
	return prepared
}

func (one item) run(mode string, round int) (string, error) {
	switch mode {
	case "memory":
		// Loading renames the files of subcharts.
		files := make([]*archive.BufferedFile, len(one.files))
		for i, file := range one.files {
			files[i] = &archive.BufferedFile{Name: file.Name, Data: file.Data}
		}
		chart, err := loader.LoadFiles(files)
		if err != nil {
			return "", err
		}
		return render(chart, map[string]any{})
	case "again", "parsed":
		return render(one.chart, map[string]any{"replicaCount": float64(round)})
	default:
		chart, err := loader.LoadDir(one.path)
		if err != nil {
			return "", err
		}
		return render(chart, map[string]any{})
	}
}

func main() {
	runtime.GOMAXPROCS(1)
	log.SetOutput(io.Discard)
	slog.SetDefault(slog.New(slog.DiscardHandler))
	mode := os.Args[1]
	rounds, err := strconv.Atoi(os.Args[2])
	check(err)
	var items []item
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		items = append(items, prepare(mode, lines.Text()))
	}
	check(lines.Err())
	if mode == "check" {
		hashes := map[string]string{}
		for _, one := range items {
			text, err := one.run("disk", 0)
			if err != nil {
				hashes[one.path] = err.Error()
				continue
			}
			hash := fnv.New64a()
			hash.Write([]byte(text))
			hashes[one.path] = fmt.Sprintf("%016x", hash.Sum64())
		}
		check(json.NewEncoder(os.Stdout).Encode(hashes))
		return
	}
	size := 0
	start := cpu()
	for round := range rounds {
		size = 0
		for _, one := range items {
			text, err := one.run(mode, round+2)
			check(err)
			size += len(text)
			if mode == "parsed" {
				_, err := parsed(text)
				check(err)
			}
		}
	}
	spent := cpu() - start
	check(json.NewEncoder(os.Stdout).Encode(map[string]any{
		"milliseconds": float64(spent.Microseconds()) / 1000 / float64(rounds),
		"peak_kib":     peakKiB(),
		"bytes":        size,
	}))
}
