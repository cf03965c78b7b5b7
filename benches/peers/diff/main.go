// Measures gitops-engine's diff of the pairs of a JSON-lines file (`config`, `live` in each line, as in
// corpus/diff/deploy.jsonl): go run . FILE [ROUNDS]
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"syscall"
	"time"

	"github.com/argoproj/argo-cd/gitops-engine/pkg/diff"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// cpu is the time that all threads of the process ran, garbage collection included.
func cpu() time.Duration {
	usage := syscall.Rusage{}
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		panic(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

type pair struct{ Config, Live map[string]any }

func main() {
	file, err := os.Open(os.Args[1])
	if err != nil {
		panic(err)
	}
	rounds := 5
	if len(os.Args) > 2 {
		if rounds, err = strconv.Atoi(os.Args[2]); err != nil {
			panic(err)
		}
	}
	pairs := []pair{}
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<24)
	for lines.Scan() {
		p := pair{}
		if err := json.Unmarshal(lines.Bytes(), &p); err != nil {
			panic(err)
		}
		if p.Config != nil && p.Live != nil {
			pairs = append(pairs, p)
		}
	}
	start := cpu()
	for range rounds {
		for _, p := range pairs {
			_, _ = diff.Diff(&unstructured.Unstructured{Object: p.Config}, &unstructured.Unstructured{Object: p.Live})
		}
	}
	each := (cpu() - start) / time.Duration(rounds*len(pairs))
	fmt.Printf("%d pairs, %.1f µs of the processor per pair\n", len(pairs), float64(each.Nanoseconds())/1000)
}
