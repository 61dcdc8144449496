import { upstream } from "../api";
import type { Variable } from "./model";
import type { Times } from "./time";

// Values holds the values of variables. For a variable that offers All, no value means All.
export type Values = Record<string, string[]>;

export const all = "$__all";
const list = (v: string | string[] | undefined): string[] => (v === undefined ? [] : Array.isArray(v) ? v : [v]);

// shown reports whether a variable gets a control. Data sources are fixed here,
// and links to Jaeger and to the console lead to the page itself.
export const shown = (v: Variable): boolean => v.hide !== 2 && v.type !== "datasource" && v.type !== "constant" && v.name !== "jaeger" && v.name !== "console";

export function initial(variables: Variable[], query: URLSearchParams): Values {
  const out: Values = {};
  for (const v of variables) {
    const given = query.getAll(`var-${v.name}`).filter((x) => x !== "");
    out[v.name] = given.length > 0 ? given.map((x) => (x === "All" ? all : x)) : list(v.current?.value);
  }
  return out;
}

const text = (q: Variable["query"]): string => (typeof q === "string" ? q : q?.query ?? "");

// options returns the possible values of a variable.
export async function options(v: Variable, variables: Variable[], values: Values, times: Times, signal: AbortSignal): Promise<string[]> {
  if (v.type === "custom" || v.type === "interval") return text(v.query).split(",").map((s) => s.trim()).filter(Boolean);
  if (v.type !== "query") return list(v.current?.value);
  const query = interpolate(v.definition || text(v.query), variables, values, times, 60);
  const m = /^\s*label_values\(\s*(?:(.+?)\s*,\s*)?([a-zA-Z_]\w*)\s*\)\s*$/s.exec(query);
  if (!m) throw new Error(`the variable ${v.name} asks for “${query}”; only label_values(…) is understood here`);
  const q = new URLSearchParams({ start: String(times.from), end: String(times.to) });
  if (m[1]) q.append("match[]", m[1]);
  const answer = await upstream<{ data: string[] }>(`prometheus/label/${encodeURIComponent(m[2]!)}/values`, q, signal);
  let found = answer.data;
  if (v.regex) {
    const parts = /^\/(.*)\/([a-z]*)$/s.exec(v.regex);
    const re = new RegExp(parts ? parts[1]! : v.regex, parts ? parts[2] : "");
    found = found.flatMap((x) => { const r = re.exec(x); return r ? [r[1] ?? r[0]] : []; });
  }
  return [...new Set(found)].sort();
}

const escaped = (s: string): string => s.replace(/[\\^$.*+?()[\]{}|]/g, "\\\\$&");

function valueOf(v: Variable | undefined, values: string[], format: string): string {
  const every = values.length === 0 || values.includes(all);
  if (v && (v.includeAll || v.multi)) {
    if (every && v.includeAll) return v.allValue ?? ".*";
    if (format === "" || format === "regex") return values.length === 1 ? escaped(values[0]!) : `(${values.map(escaped).join("|")})`;
  }
  const joined = values.join(format === "pipe" ? "|" : ",");
  return format === "percentencode" || format === "queryparam" ? encodeURIComponent(joined) : joined;
}

// interpolate replaces $name, ${name}, ${name:format} and [[name]].
export function interpolate(expr: string, variables: Variable[], values: Values, times: Times, step: number): string {
  const range = Math.max(1, Math.round(times.to - times.from));
  const built: Record<string, string> = {
    __rate_interval: `${Math.max(step + 5, 20, 4 * (times.scrape ?? 0))}s`, __interval: `${step}s`, __interval_ms: String(step * 1000),
    __range: `${range}s`, __range_s: String(range), __range_ms: String(range * 1000), __from: String(times.from * 1000), __to: String(times.to * 1000),
  };
  return expr.replace(/\$\{(\w+)(?::(\w+))?\}|\$(\w+)|\[\[(\w+)\]\]/g, (whole, a: string, format: string, b: string, c: string) => {
    const name = a || b || c;
    if (name in built) return built[name]!;
    const v = variables.find((x) => x.name === name);
    return v ? valueOf(v, values[name] ?? [], format ?? "") : whole;
  });
}

// link fills a data link with the fields of a row or point.
export function link(url: string, values: Values, fields: Record<string, string>): string {
  const filled = url.replace(/\$\{__data\.fields\.([\w.]+)(?::(\w+))?\}|\$\{__field\.labels\.(\w+)(?::(\w+))?\}/g,
    (_, a: string, _f1: string, b: string) => encodeURIComponent(fields[a || b] ?? ""));
  return filled.replace(/\$\{(\w+)(?::(\w+))?\}/g, (_, name: string) => {
    if (name === "jaeger") return "";
    return encodeURIComponent((values[name] ?? []).filter((x) => x !== all).join(","));
  });
}

// safe accepts a link within the page or to the web, and no other scheme.
export const safe = (url: string): string | undefined => (/^(https?:\/\/|\/(?!\/))/.test(url) ? url : undefined);
