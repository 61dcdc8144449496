package alerts

import (
	"io/fs"
	"os"
	"path"
	"regexp"
	"strings"
	"testing"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"
)

func groups(t *testing.T) map[string]*rulefmt.RuleGroups {
	t.Helper()
	names, err := fs.Glob(FS, "*.yaml")
	if err != nil || len(names) == 0 {
		t.Fatalf("no rule files: %v", err)
	}
	out := map[string]*rulefmt.RuleGroups{}
	for _, name := range names {
		content, err := fs.ReadFile(FS, name)
		if err != nil {
			t.Fatal(err)
		}
		g, errs := rulefmt.Parse(content, false, model.LegacyValidation, parser.NewParser(parser.Options{}), nil)
		for _, err := range errs {
			t.Errorf("%s: %v", name, err)
		}
		out[name] = g
	}
	return out
}

// recordName matches level:metric:operation, as Prometheus recommends.
var recordName = regexp.MustCompile(`^[a-z_]+:[a-z_]+:[a-z0-9_]+$`)

var badUnits = regexp.MustCompile(`milliseconds|_ms\b|\* ?1000\b|\* ?100\b`)

func TestRecordingRuleNames(t *testing.T) {
	for file, g := range groups(t) {
		for _, group := range g.Groups {
			for _, r := range group.Rules {
				if r.Record != "" && !recordName.MatchString(r.Record) {
					t.Errorf("%s: %s is not level:metric:operation", file, r.Record)
				}
				if badUnits.MatchString(r.Expr) || badUnits.MatchString(r.Record) {
					t.Errorf("%s: %s%s is not in seconds or ratios: %s", file, r.Record, r.Alert, r.Expr)
				}
			}
		}
	}
}

var dashboardLink = regexp.MustCompile(`^/d/(tenhop-[a-z]+)(\?|$)`)

func TestEveryAlertSaysWhatToDo(t *testing.T) {
	seen := map[string]string{}
	for file, g := range groups(t) {
		for _, group := range g.Groups {
			for _, r := range group.Rules {
				if r.Alert == "" {
					continue
				}
				if strings.HasPrefix(file, "coarse") { // copies of the others
					checkAlert(t, file, r)
					continue
				}
				key := r.Alert + r.Labels["long"] + r.Annotations["summary"]
				if other, ok := seen[key]; ok {
					t.Errorf("%s: alert %s is in %s too", file, key, other)
				}
				seen[key] = file
				checkAlert(t, file, r)
			}
		}
	}
}

func checkAlert(t *testing.T, file string, r rulefmt.Rule) {
	t.Helper()
	switch r.Labels["severity"] {
	case "page", "ticket", "none":
	default:
		t.Errorf("%s: %s has severity %q", file, r.Alert, r.Labels["severity"])
	}
	for _, key := range []string{"summary", "description", "runbook_url", "dashboard", "jaeger"} {
		if r.Annotations[key] == "" {
			t.Errorf("%s: %s has no %s", file, r.Alert, key)
		}
	}
	if _, err := os.Stat("../docs/runbooks/" + path.Base(r.Annotations["runbook_url"])); err != nil {
		t.Errorf("%s: the runbook of %s: %v", file, r.Alert, err)
	}
	link := dashboardLink.FindStringSubmatch(r.Annotations["dashboard"])
	if link == nil {
		t.Errorf("%s: %s links to no dashboard of ours: %s", file, r.Alert, r.Annotations["dashboard"])
		return
	}
	if _, err := os.Stat("../dashboards/" + strings.TrimPrefix(link[1], "tenhop-") + ".json"); err != nil {
		t.Errorf("%s: the dashboard of %s: %v", file, r.Alert, err)
	}
	if !strings.HasPrefix(r.Annotations["jaeger"], "/search") && !strings.HasPrefix(r.Annotations["jaeger"], "/trace/") {
		t.Errorf("%s: %s: %q is not one of Jaeger's paths", file, r.Alert, r.Annotations["jaeger"])
	}
}
