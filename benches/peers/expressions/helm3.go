package main

import (
	"context"
	"fmt"

	"helm.sh/helm/v3/pkg/action"
	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/cli/values"
	"helm.sh/helm/v3/pkg/engine"
	"helm.sh/helm/v3/pkg/getter"
	"helm.sh/helm/v3/pkg/release"
	"helm.sh/helm/v3/pkg/releaseutil"
)

func expression3(expr string, given map[string]any) (string, error) {
	chrt := &chart.Chart{
		Metadata: &chart.Metadata{Name: "x", Version: "1.2.3", AppVersion: "4.5", APIVersion: "v2"},
		Templates: []*chart.File{
			{Name: "templates/e.yaml", Data: []byte(expr)},
		},
	}
	capabilities := chartutil.DefaultCapabilities.Copy()
	version, err := chartutil.ParseKubeVersion("v1.31.0")
	if err != nil {
		return "", err
	}
	capabilities.KubeVersion = *version
	vals, err := chartutil.ToRenderValues(chrt, given, chartutil.ReleaseOptions{
		Name: "r", Namespace: "ns", Revision: 1, IsInstall: true,
	}, capabilities)
	if err != nil {
		return "", fmt.Errorf("values: %w", err)
	}
	out, err := new(engine.Engine).Render(chrt, vals)
	return out["x/templates/e.yaml"], err
}

func template3(path string, f flags) (string, error) {
	configuration := new(action.Configuration)
	configuration.Log = func(string, ...any) {}
	install := action.NewInstall(configuration)
	if f.KubeVersion == "" {
		f.KubeVersion = "v1.37.0" // What builds of Helm 3.22 are given by their linker.
	}
	if f.KubeVersion != "" {
		version, err := chartutil.ParseKubeVersion(f.KubeVersion)
		if err != nil {
			return "", fmt.Errorf("invalid kube version '%s': %s", f.KubeVersion, err)
		}
		install.KubeVersion = version
	}
	install.DryRun = true
	install.DryRunOption = "true"
	install.ClientOnly = true
	install.ReleaseName = f.Release
	install.Namespace = f.Namespace
	install.Replace = true
	install.APIVersions = chartutil.VersionSet(f.APIVersions)
	install.IncludeCRDs = f.IncludeCRDs
	install.IsUpgrade = f.IsUpgrade
	install.SkipSchemaValidation = f.SkipSchemaValidation
	options := values.Options{
		ValueFiles: f.ValueFiles, Values: f.Set, StringValues: f.SetString,
		FileValues: f.SetFile, JSONValues: f.SetJSON, LiteralValues: f.SetLiteral,
	}
	vals, err := options.MergeValues(getter.Providers{})
	if err != nil {
		return "", err
	}
	chrt, err := loader.Load(path)
	if err != nil {
		return "", err
	}
	if kind := chrt.Metadata.Type; kind != "" && kind != "application" {
		return "", fmt.Errorf("%s charts are not installable", kind)
	}
	if declared := chrt.Metadata.Dependencies; declared != nil {
		if err := action.CheckDependencies(chrt, declared); err != nil {
			return "", fmt.Errorf("An error occurred while checking for chart dependencies. You may need to run `helm dependency build` to fetch missing dependencies: %w", err)
		}
	}
	rel, err := install.RunWithContext(context.Background(), chrt, vals)
	if err != nil {
		if rel != nil {
			err = fmt.Errorf("%w\n\nUse --debug flag to render out invalid YAML", err)
		}
		return "", err
	}
	hooks := make([]hook, 0, len(rel.Hooks))
	for _, h := range rel.Hooks {
		isTest := false
		for _, event := range h.Events {
			isTest = isTest || event == release.HookTest
		}
		hooks = append(hooks, hook{h.Path, h.Manifest, isTest})
	}
	return printed(rel.Manifest, hooks, f, releaseutil.SplitManifests)
}
