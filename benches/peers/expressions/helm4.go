package main

import (
	"context"
	"fmt"

	"helm.sh/helm/v4/pkg/action"
	ci "helm.sh/helm/v4/pkg/chart"
	"helm.sh/helm/v4/pkg/chart/common"
	"helm.sh/helm/v4/pkg/chart/common/util"
	chart "helm.sh/helm/v4/pkg/chart/v2"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	"helm.sh/helm/v4/pkg/cli/values"
	"helm.sh/helm/v4/pkg/engine"
	"helm.sh/helm/v4/pkg/getter"
	release "helm.sh/helm/v4/pkg/release/v1"
	releaseutil "helm.sh/helm/v4/pkg/release/v1/util"
)

func expression4(expr string, given map[string]any) (string, error) {
	chrt := &chart.Chart{
		Metadata: &chart.Metadata{Name: "x", Version: "1.2.3", AppVersion: "4.5", APIVersion: "v2"},
		Templates: []*common.File{
			{Name: "templates/e.yaml", Data: []byte(expr)},
		},
	}
	capabilities := common.DefaultCapabilities.Copy()
	version, err := common.ParseKubeVersion("v1.31.0")
	if err != nil {
		return "", err
	}
	capabilities.KubeVersion = *version
	vals, err := util.ToRenderValues(chrt, given, common.ReleaseOptions{
		Name: "r", Namespace: "ns", Revision: 1, IsInstall: true,
	}, capabilities)
	if err != nil {
		return "", fmt.Errorf("values: %w", err)
	}
	out, err := new(engine.Engine).Render(chrt, vals)
	return out["x/templates/e.yaml"], err
}

func template4(path string, f flags) (string, error) {
	install := action.NewInstall(new(action.Configuration))
	if f.KubeVersion != "" {
		version, err := common.ParseKubeVersion(f.KubeVersion)
		if err != nil {
			return "", fmt.Errorf("invalid kube version '%s': %w", f.KubeVersion, err)
		}
		install.KubeVersion = version
	}
	install.DryRunStrategy = action.DryRunClient
	install.ReleaseName = f.Release
	install.Namespace = f.Namespace
	install.Replace = true
	install.APIVersions = common.VersionSet(f.APIVersions)
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
	if declared := chrt.Metadata.Dependencies; len(declared) > 0 {
		required := make([]ci.Dependency, 0, len(declared))
		for _, dependency := range declared {
			required = append(required, dependency)
		}
		if err := action.CheckDependencies(chrt, required); err != nil {
			return "", fmt.Errorf("an error occurred while checking for chart dependencies. You may need to run 'helm dependency build' to fetch missing dependencies: %w", err)
		}
	}
	result, err := install.RunWithContext(context.Background(), chrt, vals)
	rel, isRelease := result.(*release.Release)
	isRelease = isRelease && rel != nil
	if err != nil {
		if isRelease {
			err = fmt.Errorf("%w\n\nUse --debug flag to render out invalid YAML", err)
		}
		return "", err
	}
	if !isRelease {
		return "", fmt.Errorf("unexpected release %T", result)
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
