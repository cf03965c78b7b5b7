package main

import (
	"fmt"
	"path/filepath"
	"regexp"
	"sort"
	"strconv"
	"strings"
)

type hook struct {
	path, manifest string
	isTest         bool
}

var source = regexp.MustCompile("# Source: [^/]+/(.+)")

// What `helm template` prints of a release; the command of Helm 3 cannot be imported.
func printed(manifest string, hooks []hook, f flags, split func(string) map[string]string) (string, error) {
	var text strings.Builder
	fmt.Fprintln(&text, strings.TrimSpace(manifest))
	for _, h := range hooks {
		if !f.NoHooks && !(f.SkipTests && h.isTest) {
			fmt.Fprintf(&text, "---\n# Source: %s\n%s\n", h.path, h.manifest)
		}
	}
	if len(f.ShowOnly) == 0 {
		return text.String(), nil
	}
	documents := split(text.String())
	keys := make([]string, 0, len(documents))
	for key := range documents {
		keys = append(keys, key)
	}
	// Keys are manifest-N.
	number := func(key string) int {
		n, _ := strconv.Atoi(strings.TrimPrefix(key, "manifest-"))
		return n
	}
	sort.Slice(keys, func(i, j int) bool { return number(keys[i]) < number(keys[j]) })
	var shown strings.Builder
	for _, pattern := range f.ShowOnly {
		missing := true
		for _, key := range keys {
			found := source.FindStringSubmatch(documents[key])
			if len(found) == 0 {
				continue
			}
			if matched, _ := filepath.Match(pattern, found[1]); matched {
				missing = false
				fmt.Fprintf(&shown, "---\n%s\n", documents[key])
			}
		}
		if missing {
			return "", fmt.Errorf("could not find template %s in chart", pattern)
		}
	}
	return shown.String(), nil
}
