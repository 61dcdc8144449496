import assert from "node:assert/strict";
import { test } from "node:test";
import { inOrder, type Panel, type Variable } from "../src/dash/model";
import { legend } from "../src/dash/query";
import { resolve, stepFor } from "../src/dash/time";
import { fieldConfig, level, threshold, written } from "../src/dash/units";
import { all, initial, interpolate, link, safe, shown } from "../src/dash/vars";

const plain = (s: string): string => s.replaceAll("\u202f", " ").replaceAll("\u2212", "-");

test("units of Grafana", () => {
  for (const [unit, value, want] of [
    ["s", 0.25, "250 ms"], ["ms", 250, "250 ms"], ["µs", 250, "250 µs"], ["ns", 2.5e8, "250 ms"], ["percentunit", 0.034, "3.4 %"], ["percent", 3.4, "3.4 %"],
    ["bytes", 2048, "2.00 KiB"], ["decbytes", 2048, "2.00 KiB"], ["Bps", 2048, "2.00 KiB/s"], ["reqps", 12.34, "12.3/s"], ["short", 12_300, "12.3 k"],
    [undefined, 7, "7"], ["spans", 7, "7 spans"],
  ] as const) assert.equal(plain(written(unit)(value)), want, unit);
  assert.equal(written("short", 2)(1 / 3), "0.33");
  assert.equal(plain(written("spans", 1)(1 / 3)), "0.3 spans");
});

test("thresholds and overrides", () => {
  const d = { thresholds: { mode: "absolute", steps: [{ color: "green", value: null }, { color: "dark-orange", value: 0.5 }, { color: "#red", value: 0.9 }] } };
  assert.deepEqual([0.1, 0.5, 0.95].map((v) => threshold(d, v)), ["good", "warn", "bad"]);
  assert.equal(threshold(undefined, 1), "accent");
  assert.equal(level("blue"), "accent");
  const overrides = [
    { matcher: { id: "byName", options: "p95" }, properties: [{ id: "unit", value: "ms" }] },
    { matcher: { id: "byRegexp", options: "/^err/" }, properties: [{ id: "unit", value: "percentunit" }] },
    { matcher: { id: "byType", options: "time" }, properties: [{ id: "unit", value: "never" }] },
  ];
  assert.deepEqual(["p95", "errors", "other"].map((n) => fieldConfig({ unit: "s" }, overrides, n).unit), ["ms", "percentunit", "s"]);
});

const variables: Variable[] = [
  { name: "service", type: "query", multi: true, includeAll: true, current: { value: all } },
  { name: "entry", type: "query", includeAll: true, allValue: ".+" },
  { name: "quantile", type: "custom", query: "0.5,0.95", current: { value: "0.95" } },
  { name: "ds", type: "datasource" },
];
const times = { from: 1000, to: 1900, scrape: 15 };
const fill = (expr: string, values: Record<string, string[]>) => interpolate(expr, variables, values, times, 10);

test("variables in every spelling", () => {
  const one = { service: ["pay.ment"], entry: [all], quantile: ["0.95"] };
  assert.equal(fill('rate(x{s=~"$service"}[5m])', one), 'rate(x{s=~"pay\\\\.ment"}[5m])');
  assert.equal(fill('x{s=~"${service}",e=~"[[entry]]"}', { ...one, service: ["a", "b"] }), 'x{s=~"(a|b)",e=~".+"}');
  assert.equal(fill("$service", { service: [] }), ".*", "no value of a variable that offers All is All");
  assert.equal(fill("${service:pipe} ${service:csv} ${service:percentencode}", { service: ["a b", "c"] }), "a b|c a b,c a%20b%2Cc");
  assert.equal(fill("histogram_quantile($quantile, y)", one), "histogram_quantile(0.95, y)");
  assert.equal(fill("$unknown ${unknown}", one), "$unknown ${unknown}");
});

test("built-in variables", () => {
  assert.equal(fill("[$__rate_interval] [$__interval] ${__range} ${__range_s} $__from", {}), "[60s] [10s] 900s 900 1000000");
  assert.equal(interpolate("$__rate_interval", [], {}, { from: 0, to: 60 }, 2), "20s", "without a scrape interval");
});

test("values come from the address, then from the dashboard", () => {
  const got = initial(variables, new URLSearchParams("var-service=a&var-service=b&var-entry=All"));
  assert.deepEqual(got, { service: ["a", "b"], entry: [all], quantile: ["0.95"], ds: [] });
  assert.deepEqual(variables.map(shown), [true, true, true, false]);
});

test("links stay within the page or the web", () => {
  assert.equal(link("/trace/${__data.fields.traceID}?s=${service:queryparam}${jaeger}", { service: ["a b", all] }, { traceID: "4b/f" }), "/trace/4b%2Ff?s=a%20b");
  assert.equal(link("/x/${__field.labels.hop}", {}, { hop: "pay" }), "/x/pay");
  for (const url of ["/d/x", "https://example.org"]) assert.equal(safe(url), url);
  for (const url of ["javascript:alert(1)", "//evil.example", "data:text/html,x"]) assert.equal(safe(url), undefined);
});

test("legends", () => {
  const labels = { __name__: "up", job: "a", instance: "b" };
  assert.equal(legend({ legendFormat: "{{job}}  {{ instance }} {{none}}" }, labels), "a b");
  assert.equal(legend({ legendFormat: "__auto" }, labels), 'up{job="a", instance="b"}');
  assert.equal(legend({}, { __name__: "up" }), "up");
  assert.equal(legend({}, {}), "value");
});

test("times and steps", () => {
  assert.equal(resolve("now", 5000), 5000);
  assert.equal(resolve("now-15m", 5000), 4100);
  assert.equal(resolve("1764187200000", 0), 1764187200);
  assert.equal(resolve("2026-11-26T20:00:00Z", 0), Date.UTC(2026, 10, 26, 20) / 1000);
  assert.equal(resolve("yesterday-ish", 5000), 4100, "what is not understood is the last 15 minutes");
  assert.deepEqual([60, 900, 3600, 86_400 * 30].map((s) => stepFor({ from: 0, to: s })), [1, 5, 15, 21_600]);
});

test("panels are read from the top left", () => {
  const panel = (title: string, x: number, y: number): Panel => ({ type: "stat", title, gridPos: { x, y, w: 12, h: 4 } });
  const row: Panel = { type: "row", title: "row", gridPos: { x: 0, y: 8, w: 24, h: 1 }, panels: [panel("within", 0, 9)] };
  const panels = [panel("right", 12, 0), row, panel("below", 0, 4), panel("left", 0, 0)];
  assert.deepEqual(inOrder(panels).map((p) => p.title), ["left", "right", "below", "row", "within"]);
  assert.equal(panels[0]!.title, "right", "the dashboard is not changed");
});
