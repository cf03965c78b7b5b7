//go:build tools

// Package kwok pins the tool that plays the nodes of the tests' control plane.
package kwok

import _ "sigs.k8s.io/kwok/cmd/kwok"
