package console

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http"
	"regexp"
	"slices"
	"strings"
)

// DashboardInfo describes a dashboard.
type DashboardInfo struct {
	UID         string   `json:"uid"`
	Title       string   `json:"title"`
	Description string   `json:"description"`
	Tags        []string `json:"tags"`
	Panels      int      `json:"panels"`
}

// dashboardFile holds the fields of a dashboard's JSON that DashboardInfo needs.
type dashboardFile struct {
	DashboardInfo
	Panels []json.RawMessage `json:"panels"`
}

// files reads all dashboards. It reads them on each call, because the directory may
// change. As in Grafana, it skips files that are not dashboards or repeat a UID.
func (c *Console) files() (map[string]json.RawMessage, []DashboardInfo, error) {
	raw := map[string]json.RawMessage{}
	list := []DashboardInfo{}
	if c.cfg.Dashboards == nil {
		return raw, list, nil
	}
	names, err := fs.Glob(c.cfg.Dashboards, "*.json")
	if err != nil {
		return nil, nil, err
	}
	for _, name := range names {
		b, err := fs.ReadFile(c.cfg.Dashboards, name)
		if err != nil {
			c.cfg.Logger.Warn("skip a dashboard that cannot be read", "file", name, "error", err)
			continue
		}
		var d dashboardFile
		if err := json.Unmarshal(b, &d); err != nil {
			c.cfg.Logger.Warn("skip a file that is not a dashboard in Grafana's JSON", "file", name, "error", err)
			continue
		}
		if d.UID == "" {
			d.UID = strings.TrimSuffix(name, ".json")
		}
		if raw[d.UID] != nil {
			c.cfg.Logger.Warn("skip a dashboard whose uid another one has", "file", name, "uid", d.UID)
			continue
		}
		if d.Tags == nil {
			d.Tags = []string{}
		}
		d.DashboardInfo.Panels = len(d.Panels)
		raw[d.UID] = b
		list = append(list, d.DashboardInfo)
	}
	slices.SortFunc(list, func(a, b DashboardInfo) int { return strings.Compare(inOrder(a.Title), inOrder(b.Title)) })
	return raw, list, nil
}

var number = regexp.MustCompile(`\d+`)

// inOrder pads the numbers of a title, so that 10 comes after 9.
func inOrder(title string) string {
	return number.ReplaceAllStringFunc(title, func(n string) string { return fmt.Sprintf("%8s", n) })
}

func (c *Console) dashboards(*http.Request) ([]DashboardInfo, error) {
	_, list, err := c.files()
	return list, err
}

// dashboard returns the unmodified JSON of a dashboard, which the page renders.
func (c *Console) dashboard(r *http.Request) (json.RawMessage, error) {
	raw, _, err := c.files()
	if err != nil {
		return nil, err
	}
	d, ok := raw[r.PathValue("uid")]
	if !ok {
		return nil, &apiError{http.StatusNotFound, "there is no dashboard with the uid " + r.PathValue("uid")}
	}
	return d, nil
}
