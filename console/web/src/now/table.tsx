import { useState } from "preact/hooks";
import { percent, rate, seconds, signed } from "../format";
import type { Hop, Snapshot } from "../types";
import { Spark } from "../ui/spark";

export type Column = "name" | "rate" | "errors" | "p95" | "self" | "added";
const columns: [Column, string][] = [["name", "hop"], ["rate", "rate"], ["errors", "errors"], ["p95", "p95"], ["self", "self, mean"], ["added", "added"]];

// direction returns the order in which a column is sorted: names from A on, the largest number
// first.
export const direction = (by: Column): "ascending" | "descending" => (by === "name" ? "ascending" : "descending");

// sorted returns hops in the order of a column.
export function sorted(hops: Hop[], by: Column): Hop[] {
  if (by === "name") return [...hops].sort((a, b) => a.name.localeCompare(b.name));
  return [...hops].sort((a, b) => (b[by] ?? -1) - (a[by] ?? -1) || (b.self ?? 0) - (a.self ?? 0));
}

interface Props { now: Snapshot; history: Map<string, number[]>; chosen: string; choose: (name: string) => void }

// HopTable lists the hops of the map with their metrics.
export function HopTable({ now, history, chosen, choose }: Props) {
  const [sort, setSort] = useState<Column>("added");
  const rows = sorted(now.hops.filter((h) => h.kind === "service"), sort);
  return (
    <section class="card hops" aria-label="Hops">
      <table>
        <thead>
          <tr>
            {columns.map(([key, label]) => (
              <th key={key} class={key === "name" ? "" : `num ${key}`} aria-sort={sort === key ? direction(key) : undefined}>
                <button class="sort" onClick={() => setSort(key)}>{label}</button>
              </th>
            ))}
            <th class="recent">self time, last 3 min</th><th class="why" />
          </tr>
        </thead>
        <tbody>
          {rows.map((h) => (
            <tr key={h.name} class={`${h.hot ? "hot" : ""} ${h.name === chosen ? "chosen" : ""}`}>
              <td><button class="link" onClick={() => choose(h.name === chosen ? "" : h.name)}>{h.name}</button></td>
              <td class="num rate">{rate(h.rate)}</td>
              <td class={`num ${h.errors > 0.01 ? "bad" : ""}`}>{percent(h.errors)}</td>
              <td class="num">{seconds(h.p95)}</td>
              <td class="num">{seconds(h.self)}</td>
              <td class="num added">{h.added ? `${signed(seconds(h.added))}` : ""}</td>
              <td class="recent"><Spark values={history.get(h.name) ?? []} hot={h.hot ?? false} label={`self time of ${h.name}`} /></td>
              <td class="why">{h.why}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}
