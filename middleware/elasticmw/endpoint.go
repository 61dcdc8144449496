package elasticmw

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/tenhop/tenhop/middleware/adapter"
)

// endpoint returns the name of the API that a request calls, as the specification of
// Elasticsearch or, for what only that has, of OpenSearch has it, and the index of the path.
// APIs of administration are named by their group, such as cluster. A path that is not in a
// closed set is adapter.Overflow.
func endpoint(method string, u *url.URL) (operation, index string) {
	if u == nil {
		return adapter.Overflow, ""
	}
	path := segments(u.Path)
	for i, s := range path {
		if s[0] != '_' || s == "_all" && i == 0 {
			continue
		}
		if i > 0 {
			index = path[0]
		}
		return api(method, s, path[i+1:]), index
	}
	switch len(path) {
	case 0:
		return byMethod(method, adapter.Overflow, "info", "ping", adapter.Overflow), ""
	case 1:
		return byMethod(method, "indices.create", "indices.get", "indices.exists", "indices.delete"), path[0]
	}
	return adapter.Overflow, ""
}

// named holds the APIs whose first path segment with an underscore names them, whatever
// the method.
var named = map[string]string{
	"_bulk": "bulk", "_count": "count", "_create": "create", "_update": "update", "_mget": "mget", "_msearch": "msearch",
	"_explain": "explain", "_field_caps": "field_caps", "_reindex": "reindex", "_termvectors": "termvectors",
	"_delete_by_query": "delete_by_query", "_update_by_query": "update_by_query", "_validate": "indices.validate_query",
	"_refresh": "indices.refresh", "_flush": "indices.flush", "_forcemerge": "indices.forcemerge", "_analyze": "indices.analyze",
	"_stats": "indices.stats", "_rollover": "indices.rollover", "_open": "indices.open",
	"_close": "indices.close", "_rank_eval": "rank_eval", "_terms_enum": "terms_enum",
	"_async_search": "async_search", "_query": "esql.query", "_sql": "sql.query", "_cat": "cat", "_cluster": "cluster",
	"_nodes": "nodes", "_tasks": "tasks", "_ingest": "ingest", "_snapshot": "snapshot", "_scripts": "scripts",
}

// api returns the name of the API of a path segment with an underscore.
func api(method, segment string, rest []string) string {
	switch segment {
	case "_search":
		return search(method, rest)
	case "_pit": // of Elasticsearch
		return byMethod(method, "open_point_in_time", adapter.Overflow, adapter.Overflow, "close_point_in_time")
	case "_doc":
		return byMethod(method, "index", "get", "exists", "delete")
	case "_source":
		return byMethod(method, adapter.Overflow, "get_source", "exists", adapter.Overflow)
	case "_mapping", "_mappings":
		return byMethod(method, "indices.put_mapping", "indices.get_mapping", adapter.Overflow, adapter.Overflow)
	case "_settings":
		return byMethod(method, "indices.put_settings", "indices.get_settings", adapter.Overflow, adapter.Overflow)
	case "_aliases":
		if len(rest) == 0 && method == http.MethodPost {
			return "indices.update_aliases"
		}
		fallthrough // an older path
	case "_alias":
		return byMethod(method, "indices.put_alias", "indices.get_alias", "indices.exists_alias", "indices.delete_alias")
	case "_index_template":
		return byMethod(method, "indices.put_index_template", "indices.get_index_template", "indices.exists_index_template", "indices.delete_index_template")
	}
	if name := named[segment]; name != "" {
		return name
	}
	return adapter.Overflow
}

// search returns the name of the API of what follows _search in a path.
func search(method string, rest []string) string {
	if len(rest) == 0 {
		return "search"
	}
	switch rest[0] {
	case "scroll":
		return byMethod(method, "scroll", "scroll", adapter.Overflow, "clear_scroll")
	case "template":
		return "search_template"
	case "point_in_time": // of OpenSearch
		if len(rest) > 1 && rest[1] == "_all" {
			return byMethod(method, adapter.Overflow, "get_all_pits", adapter.Overflow, "delete_all_pits")
		}
		return byMethod(method, "create_pit", adapter.Overflow, adapter.Overflow, "delete_pit")
	}
	return "search"
}

// byMethod returns the name that belongs to a method. PUT and POST write.
func byMethod(method, write, get, head, remove string) string {
	switch method {
	case http.MethodPut, http.MethodPost:
		return write
	case http.MethodGet, "":
		return get
	case http.MethodHead:
		return head
	case http.MethodDelete:
		return remove
	}
	return adapter.Overflow
}

// segments returns the segments of a path that are not empty.
func segments(path string) []string {
	return strings.FieldsFunc(path, func(r rune) bool { return r == '/' })
}
