import { useState } from "preact/hooks";
import type { Panel } from "./model";
import type { Context, Row } from "./query";
import { fieldConfig, written } from "./units";
import { link, safe } from "./vars";

export interface Column { name: string; original: string; number: boolean }
export interface Cells { labels: Record<string, string>; values: Record<string, number | string> }

// columns applies Grafana's merge and organize: one row per set of labels, with
// columns dropped, renamed and ordered.
export function columns(p: Panel, rows: Row[]): { columns: Column[]; rows: Cells[] } {
  const refs = [...new Set(rows.map((r) => r.refId))];
  const single = (p.targets ?? []).filter((t) => !t.hide).length <= 1;
  const field = (ref: string) => (single ? "Value" : `Value #${ref}`);
  const merged = new Map<string, Cells>();
  const keys = new Set<string>();
  for (const r of rows) {
    const labels = Object.fromEntries(Object.entries(r.labels).filter(([k]) => k !== "__name__"));
    const key = JSON.stringify(Object.entries(labels).sort());
    const cells = merged.get(key) ?? { labels, values: { ...labels } };
    cells.values[field(r.refId)] = r.value;
    for (const k of Object.keys(labels)) keys.add(k);
    merged.set(key, cells);
  }
  const organize = (p.transformations ?? []).find((t) => t.id === "organize")?.options ?? {};
  const drop = (organize["excludeByName"] ?? {}) as Record<string, boolean>;
  const rename = (organize["renameByName"] ?? {}) as Record<string, string>;
  const order = (organize["indexByName"] ?? {}) as Record<string, number>;
  const all = [...keys].sort().map((k): Column => ({ name: rename[k] || k, original: k, number: false }))
    .concat(refs.sort().map((r): Column => ({ name: rename[field(r)] || field(r), original: field(r), number: true })));
  const kept = all.filter((c) => !drop[c.original]).sort((a, b) => (order[a.original] ?? 99) - (order[b.original] ?? 99));
  return { columns: kept, rows: [...merged.values()] };
}

const most = 200;

export function Table({ panel: p, context, rows }: { panel: Panel; context: Context; rows: Row[] }) {
  const t = columns(p, rows);
  const wanted = ((p.options ?? {})["sortBy"] as { displayName: string; desc?: boolean }[] | undefined)?.[0];
  const [sort, setSort] = useState<{ name: string; desc: boolean }>({ name: wanted?.displayName ?? "", desc: wanted?.desc ?? true });
  const by = t.columns.find((c) => c.name === sort.name);
  const sorted = by ? [...t.rows].sort((a, b) => {
    const x = a.values[by.original];
    const y = b.values[by.original];
    const order = typeof x === "number" && typeof y === "number" ? x - y : String(x ?? "").localeCompare(String(y ?? ""));
    if (x === undefined || y === undefined) return x === y ? 0 : x === undefined ? 1 : -1;
    return sort.desc ? -order : order;
  }) : t.rows;
  const links = p.fieldConfig?.defaults?.links ?? [];
  const write = new Map(t.columns.map((c) => {
    const f = fieldConfig(p.fieldConfig?.defaults, p.fieldConfig?.overrides, c.name);
    return [c.name, written(f.unit, f.unit ? undefined : f.decimals)];
  }));
  return (
    <div class="body scroll">
      <table>
        <thead><tr>{t.columns.map((c) => <th key={c.original} class={c.number ? "num" : ""} aria-sort={c.name === sort.name ? (sort.desc ? "descending" : "ascending") : undefined}><button class="sort" onClick={() => setSort({ name: c.name, desc: c.name === sort.name ? !sort.desc : true })}>{c.name}</button></th>)}{links.length > 0 && <th />}</tr></thead>
        <tbody>
          {sorted.slice(0, most).map((r) => (
            <tr key={JSON.stringify(r.labels)}>
              {t.columns.map((c) => {
                const v = r.values[c.original];
                return <td key={c.original} class={c.number ? "num" : ""}>{typeof v === "number" ? write.get(c.name)!(v) : v ?? ""}</td>;
              })}
              {links.length > 0 && <td><span class="links">{links.map((l) => {
                const href = safe(link(l.url, context.values, r.labels));
                return href && <a key={l.title} href={href}>{l.title}</a>;
              })}</span></td>}
            </tr>
          ))}
        </tbody>
      </table>
      {sorted.length > most && <p class="hint">{sorted.length - most} more rows; narrow the variables above.</p>}
    </div>
  );
}
