import { Spark } from "../ui/spark";
import type { Panel } from "./model";
import type { Frame, Series } from "./query";
import { threshold, written } from "./units";

function reduce(s: Series, calc: string): number | undefined {
  const v = s.values.filter((x): x is number => x !== null && isFinite(x));
  if (v.length === 0) return undefined;
  switch (calc) {
    case "mean": return v.reduce((a, b) => a + b, 0) / v.length;
    case "max": return Math.max(...v);
    case "min": return Math.min(...v);
    case "sum": return v.reduce((a, b) => a + b, 0);
    case "first": case "firstNotNull": return v[0];
    default: return v[v.length - 1];
  }
}

function calc(p: Panel): string {
  const reduceOptions = (p.options ?? {})["reduceOptions"] as { calcs?: string[] } | undefined;
  return reduceOptions?.calcs?.[0] ?? "lastNotNull";
}

// Ended series have no current value.
function current(frame: Frame, how: string): { s: Series; v: number }[] {
  return frame.series.flatMap((s) => {
    const alive = how !== "lastNotNull" && how !== "last" || s.values.slice(-8).some((v) => v !== null);
    const v = alive ? reduce(s, how) : undefined;
    return v === undefined ? [] : [{ s, v }];
  });
}

const most = 6;

export function Stat({ panel: p, frame }: { panel: Panel; frame: Frame }) {
  const d = p.fieldConfig?.defaults;
  const how = calc(p);
  const show = written(d?.unit, d?.decimals);
  const values = current(frame, how).sort((a, b) => b.v - a.v);
  const area = (p.options ?? {})["graphMode"] !== "none" && values.length === 1;
  if (values.length === 0) return <div class="note" role="status">No current value.</div>;
  return (
    <div class="body"><div class="stats">
      {values.slice(0, most).map(({ s, v }) => (
        <div class="stat" key={s.name}>
          <b class={`${threshold(d, v)}-text`}>{show(v)}</b>
          <span title={s.name}>{s.name}</span>
        </div>
      ))}
      {area && <Spark values={values[0]!.s.values.map((v) => v ?? 0)} hot={threshold(d, values[0]!.v) === "bad"} label="trend" width={120} height={36} />}
    </div></div>
  );
}

export function Gauge({ panel: p, frame }: { panel: Panel; frame: Frame }) {
  const d = p.fieldConfig?.defaults;
  const show = written(d?.unit, d?.decimals);
  const low = d?.min ?? 0;
  const high = d?.max ?? 1;
  const values = current(frame, calc(p)).slice(0, most);
  if (values.length === 0) return <div class="note" role="status">No current value.</div>;
  const arc = (f: number) => {
    const a = Math.PI * (1 - f);
    return `${(60 + 46 * Math.cos(a)).toFixed(1)} ${(60 - 46 * Math.sin(a)).toFixed(1)}`;
  };
  return (
    <div class="body"><div class="gauges">
      {values.map(({ s, v }) => {
        const f = Math.max(0, Math.min(1, (v - low) / (high - low)));
        return (
          <div class="gauge" key={s.name}>
            <svg viewBox="0 0 120 84" role="img" aria-label={`${s.name} ${show(v)}`}>
              <path class="arc" d={`M${arc(0)}A46 46 0 0 1 ${arc(1)}`} />
              {f > 0 && <path class={`arc ${threshold(d, v)}`} d={`M${arc(0)}A46 46 0 0 1 ${arc(f)}`} />}
              <text x="60" y="58">{show(v)}</text><text class="name" x="60" y="76">{s.name}</text>
            </svg>
          </div>
        );
      })}
    </div></div>
  );
}
