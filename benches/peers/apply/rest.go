package main

import (
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/scheme"
)

var (
	unversioned = schema.GroupVersion{Version: "v1"}
	negotiator  = scheme.Codecs.WithoutConversion()
)
