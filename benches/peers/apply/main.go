// The peers of the apply bench. Objects are JSON, one to a line; `NAMESPACE` in them is replaced.
//
//	go run . floor KUBECONFIG OBJECTS NAMESPACE    16 workers that send server-side apply patches and no more
//	go run . flux KUBECONFIG OBJECTS NAMESPACE     fluxcd/pkg/ssa: first, nothing changed, ten changed
//
// Prints one line of `name seconds processor-seconds requests` for each step.
package main

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/fluxcd/cli-utils/pkg/kstatus/polling"
	"github.com/fluxcd/pkg/ssa"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"
)

const workers = 16

var requests atomic.Int64

type counted struct{ http.RoundTripper }

func (c counted) RoundTrip(r *http.Request) (*http.Response, error) {
	requests.Add(1)
	return c.RoundTripper.RoundTrip(r)
}

func main() {
	if len(os.Args) != 5 {
		fail(fmt.Errorf("floor|flux KUBECONFIG OBJECTS NAMESPACE"))
	}
	config, err := clientcmd.BuildConfigFromFlags("", os.Args[2])
	fail(err)
	config.QPS, config.Burst = -1, -1
	config.Wrap(func(rt http.RoundTripper) http.RoundTripper { return counted{rt} })
	lines := read(os.Args[3], os.Args[4])
	if os.Args[1] == "floor" {
		floor(config, lines, os.Args[4])
	} else {
		flux(config, lines)
	}
}

func floor(config *rest.Config, lines []string, namespace string) {
	httpClient, err := rest.HTTPClientFor(config)
	fail(err)
	config.GroupVersion = &unversioned
	config.NegotiatedSerializer = negotiator
	rc, err := rest.UnversionedRESTClientForConfigAndClient(config, httpClient)
	fail(err)
	type job struct {
		path string
		body []byte
	}
	jobs := make([]job, 0, len(lines))
	for _, line := range lines {
		o := parse(line)
		api := "/api/v1"
		plural := map[string]string{"ConfigMap": "configmaps", "Service": "services", "Deployment": "deployments"}[o.GetKind()]
		if o.GetKind() == "Deployment" {
			api = "/apis/apps/v1"
		}
		jobs = append(jobs, job{fmt.Sprintf("%s/namespaces/%s/%s/%s", api, namespace, plural, o.GetName()), []byte(line)})
	}
	step("floor", func() {
		next := make(chan job)
		var group sync.WaitGroup
		for range workers {
			group.Go(func() {
				for j := range next {
					fail(rc.Patch(types.ApplyPatchType).AbsPath(j.path).Param("fieldManager", "floor").
						Param("force", "true").Body(j.body).Do(context.Background()).Error())
				}
			})
		}
		for _, j := range jobs {
			next <- j
		}
		close(next)
		group.Wait()
	})
}

func flux(config *rest.Config, lines []string) {
	httpClient, err := rest.HTTPClientFor(config)
	fail(err)
	mapper, err := apiutil.NewDynamicRESTMapper(config, httpClient)
	fail(err)
	c, err := client.New(config, client.Options{HTTPClient: httpClient, Mapper: mapper})
	fail(err)
	poller := polling.NewStatusPoller(c, mapper, polling.Options{})
	manager := ssa.NewResourceManager(c, poller, ssa.Owner{Field: "flux", Group: "bench.example.com"})
	manager.SetConcurrency(workers)
	apply := func(name string, lines []string) {
		objects := make([]*unstructured.Unstructured, 0, len(lines))
		for _, line := range lines {
			objects = append(objects, parse(line))
		}
		step(name, func() {
			_, err := manager.ApplyAllStaged(context.Background(), objects, ssa.DefaultApplyOptions())
			fail(err)
		})
	}
	apply("flux-first", lines)
	apply("flux-again", lines)
	apply("flux-again", lines)
	changed := append([]string{}, lines...)
	for i := range 10 {
		changed[i] = strings.Replace(changed[i], "value 0 of", "other 0 of", 1)
	}
	apply("flux-ten", changed)
}

func step(name string, run func()) {
	before, start, used := requests.Load(), time.Now(), processor()
	run()
	fmt.Println(name, time.Since(start).Seconds(), processor()-used, requests.Load()-before)
}

func processor() float64 {
	usage := syscall.Rusage{}
	fail(syscall.Getrusage(syscall.RUSAGE_SELF, &usage))
	return float64(usage.Utime.Nano()+usage.Stime.Nano()) / 1e9
}

func read(path, namespace string) []string {
	file, err := os.Open(path)
	fail(err)
	var lines []string
	scanner := bufio.NewScanner(file)
	scanner.Buffer(nil, 1<<24)
	for scanner.Scan() {
		lines = append(lines, strings.ReplaceAll(scanner.Text(), "NAMESPACE", namespace))
	}
	fail(scanner.Err())
	return lines
}

func parse(line string) *unstructured.Unstructured {
	o := &unstructured.Unstructured{}
	fail(o.UnmarshalJSON([]byte(line)))
	return o
}

func fail(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
