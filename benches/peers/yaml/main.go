// Times sigs.k8s.io/yaml on a stream of documents: parsing to JSON values, and writing them.
//
// Usage: peer FILE [COUNT] [--peak kept|dropped]
//
// FILE is split at lines that begin with "---". With COUNT, that many small documents are made and
// used instead of the file. Prints one JSON object with the best times in milliseconds (by the clock
// and of the processor); with --peak, the peak of the memory the process held when it had parsed
// everything once, values kept or dropped, in KiB.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"sigs.k8s.io/yaml"
)

func smallDocuments(count int) []string {
	documents := make([]string, count)
	for i := range documents {
		documents[i] = fmt.Sprintf(`apiVersion: v1
kind: ConfigMap
metadata:
  name: settings-%d
  namespace: shop
  labels:
    app.kubernetes.io/name: shop
    app.kubernetes.io/instance: shop-%d
data:
  mode: "%d"
  enabled: "true"
`, i, i, i)
	}
	return documents
}

func split(text string) []string {
	var documents []string
	for _, document := range strings.Split("\n"+text, "\n---") {
		if _, rest, found := strings.Cut(document, "\n"); found && strings.TrimSpace(rest) != "" {
			documents = append(documents, rest+"\n")
		}
	}
	return documents
}

// cpu is the processor time of the process so far, garbage collection included.
func cpu() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return 0
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// best gives the least time a run took, by the clock and of the processor, in milliseconds.
func best(runs int, work func()) (float64, float64) {
	least := time.Duration(1<<63 - 1)
	leastCPU := least
	for range runs {
		start, startCPU := time.Now(), cpu()
		work()
		least = min(least, time.Since(start))
		leastCPU = min(leastCPU, cpu()-startCPU)
	}
	return float64(least.Microseconds()) / 1000, float64(leastCPU.Microseconds()) / 1000
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

func main() {
	arguments := os.Args[1:]
	mode := ""
	if count := len(arguments); count > 2 && arguments[count-2] == "--peak" {
		mode, arguments = arguments[count-1], arguments[:count-2]
	}
	if len(arguments) < 1 {
		fmt.Fprintln(os.Stderr, "usage: peer FILE [COUNT] [--peak kept|dropped]")
		os.Exit(2)
	}
	var documents []string
	if len(arguments) > 1 {
		count, err := strconv.Atoi(arguments[1])
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(2)
		}
		documents = smallDocuments(count)
	} else {
		text, err := os.ReadFile(arguments[0])
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		documents = split(string(text))
	}
	values := make([]interface{}, len(documents))
	parse := func() {
		for i, document := range documents {
			values[i] = nil
			if err := yaml.Unmarshal([]byte(document), &values[i]); err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(1)
			}
		}
	}
	if mode != "" {
		before := peakKiB()
		for i, document := range documents {
			var value interface{}
			if err := yaml.Unmarshal([]byte(document), &value); err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(1)
			}
			if mode == "kept" {
				values[i] = value
			}
		}
		after := peakKiB()
		fmt.Printf("%d KiB, %d of it for parsing\n", after, after-before)
		runtime.KeepAlive(values)
		return
	}
	parseTime, parseCPU := best(10, parse)
	emitTime, emitCPU := best(10, func() {
		for _, value := range values {
			if _, err := yaml.Marshal(value); err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(1)
			}
		}
	})
	json.NewEncoder(os.Stdout).Encode(map[string]any{
		"documents":    len(documents),
		"parse_ms":     parseTime,
		"emit_cpu_ms":  emitCPU,
		"parse_cpu_ms": parseCPU,
		"emit_ms":      emitTime,
	})
}
