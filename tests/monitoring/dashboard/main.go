// Reads a Grafana dashboard as Grafana's own published types have it: a field that they do not know, that is missing or of the wrong type, is
// an error; so in the panels' options and queries.
package main

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/prometheus"
	"github.com/grafana/grafana-foundation-sdk/go/stat"
	"github.com/grafana/grafana-foundation-sdk/go/timeseries"
)

func main() {
	cog.NewRuntime().RegisterPanelcfgVariant(stat.VariantConfig())
	cog.NewRuntime().RegisterPanelcfgVariant(timeseries.VariantConfig())
	cog.NewRuntime().RegisterDataqueryVariant(prometheus.VariantConfig())
	raw, err := os.ReadFile(os.Args[1])
	if err != nil {
		fmt.Println(err)
		os.Exit(2)
	}
	var d dashboard.Dashboard
	if err := d.UnmarshalJSONStrict(raw); err != nil && err.Error() != "" {
		fmt.Println(err)
		os.Exit(1)
	}
	var read dashboard.Dashboard // the strict reading keeps nothing of the panels
	if err := json.Unmarshal(raw, &read); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	queries := 0
	for _, p := range read.Panels {
		if p.Panel != nil {
			for _, t := range p.Panel.Targets {
				if _, ok := t.(*prometheus.Dataquery); ok {
					queries++
				} else if _, ok := t.(prometheus.Dataquery); ok {
					queries++
				}
			}
		}
	}
	fmt.Printf("%d panels, %d queries\n", len(read.Panels), queries)
	if queries == 0 {
		os.Exit(1)
	}
}
