import { useMemo, useRef, useState } from "preact/hooks";
import uPlot from "uplot";
import { clock } from "../format";
import { go } from "../route";
import { colour, series as paint } from "../theme";
import { Plot, axes } from "../ui/plot";
import type { Panel } from "./model";
import type { Exemplar, Frame } from "./query";
import { written } from "./units";

interface Props { panel: Panel; frame: Frame; zoom: (from: number, to: number) => void }

const most = 40; // lines; more cannot be told apart

// TimeSeries draws lines, stacked if the panel says so, and exemplars that link
// to their traces.
export function TimeSeries({ panel: p, frame, zoom }: Props) {
  const d = p.fieldConfig?.defaults;
  const custom = d?.custom ?? {};
  const stacked = (custom["stacking"] as { mode?: string } | undefined)?.mode === "normal";
  // Overlapping fills of many lines are unreadable.
  const fill = !stacked && frame.series.length > 3 ? 0 : Number(custom["fillOpacity"] ?? 0) / 100;
  const show = written(d?.unit, d?.decimals);
  const [off, setOff] = useState<Set<string>>(new Set());
  const [tip, setTip] = useState<{ i: number; x: number; y: number }>();
  const plot = useRef<uPlot | undefined>(undefined);
  const [placed, setPlaced] = useState<{ e: Exemplar; x: number; y: number }[]>([]);
  const lines = frame.series.slice(0, most);
  const data = useMemo((): uPlot.AlignedData => {
    const out: (number | null)[][] = [];
    const sum = new Array<number>(frame.at.length).fill(0);
    const any = frame.at.map((_, i) => lines.some((s) => s.values[i] !== null));
    for (const s of lines) {
      if (off.has(s.name)) out.push(s.values.map(() => null));
      else if (!stacked) out.push(s.values);
      else out.push(s.values.map((v, i) => (any[i] ? (sum[i]! += v ?? 0) : null)));
    }
    return [frame.at, ...out] as uPlot.AlignedData;
  }, [frame, off]);
  const exemplars = useRef(frame.exemplars);
  exemplars.current = frame.exemplars;
  const name = lines.map((s) => s.name).join("\u0000") + stacked;
  const setPlot = (u: uPlot) => {
    plot.current = u;
  };
  const options = (width: number, height: number): uPlot.Options => ({
    width, height, legend: { show: false }, padding: [8, 8, 0, 0],
    cursor: { points: { size: 5 }, drag: { x: true, y: false, setScale: false } },
    scales: { x: { time: true }, y: { range: (_u, min, max) => bounds(min, max, d?.min, d?.max) } },
    axes: axes(show),
    series: [{}, ...lines.map((s, i): uPlot.Series => ({
      label: s.name, stroke: () => paint(i), width: Number(custom["lineWidth"] ?? 1) + 0.4, points: { show: custom["drawStyle"] === "points" },
      spanGaps: custom["spanNulls"] !== undefined && custom["spanNulls"] !== false,
      ...(fill > 0 ? { fill: () => paint(i) + alpha(stacked ? Math.max(fill, 0.35) : fill) } : {}),
    }))],
    bands: stacked ? lines.slice(1).map((_, i) => ({ series: [i + 2, i + 1] as [number, number] })) : [],
    hooks: {
      setCursor: [(u) => setTip(u.cursor.idx === null || u.cursor.idx === undefined || (u.cursor.left ?? -1) < 0 ? undefined : { i: u.cursor.idx, x: u.cursor.left! + u.over.offsetLeft, y: u.cursor.top! })],
      setSelect: [(u) => { if (u.select.width > 8) { zoom(u.posToVal(u.select.left, "x"), u.posToVal(u.select.left + u.select.width, "x")); u.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false); } }],
      draw: [(u) => setPlaced(exemplars.current.flatMap((e) => {
        const x = u.valToPos(e.at, "x");
        const y = u.valToPos(Math.min(e.value, u.scales["y"]!.max ?? e.value), "y");
        return x >= 0 && x <= u.over.clientWidth && y <= u.over.clientHeight ? [{ e, x: x + u.over.offsetLeft, y: Math.max(4, y) + u.over.offsetTop }] : [];
      }))],
    },
  });
  return (
    <>
      <div class="body">
        <Plot name={name} options={options} data={data} onPlot={setPlot} />
        {placed.map(({ e, x, y }) => (
          <button key={e.trace + e.at} class="exemplar" aria-label={`Trace of ${show(e.value)} at ${clock(e.at * 1000)}`} title={`${show(e.value)} · ${e.labels["service_name"] ?? ""} ${e.labels["operation"] ?? ""} · open the trace`}
            onClick={() => go(`/trace/${e.trace}`)} ref={(el) => { if (el) { el.style.left = `${x}px`; el.style.top = `${y}px`; } }} />
        ))}
        {tip && <Tip frame={{ ...frame, series: lines }} tip={tip} off={off} show={show} />}
      </div>
      <div class="keys">
        {lines.map((s, i) => (
          <button key={s.name + i} class={off.has(s.name) ? "off" : ""} aria-pressed={!off.has(s.name)} title={s.name}
            onClick={() => { const next = new Set(off); if (!next.delete(s.name)) next.add(s.name); setOff(next); }}>
            <i ref={(el) => { if (el) el.style.background = colour(`s${(i % 8) + 1}`); }} />{s.name}
          </button>
        ))}
        {frame.series.length > most && <span>and {frame.series.length - most} more</span>}
      </div>
    </>
  );
}

function bounds(min: number | null, max: number | null, low?: number, high?: number): [number, number] {
  const a = low ?? Math.min(0, min ?? 0);
  const b = high ?? (max !== null && max > a ? max : a + 1);
  return [a, b === a ? a + 1 : high ?? b + (b - a) * 0.08];
}

const alpha = (f: number): string => Math.round(Math.min(1, f) * 255).toString(16).padStart(2, "0");

function Tip({ frame, tip, off, show }: { frame: Frame; tip: { i: number; x: number; y: number }; off: Set<string>; show: (v: number) => string }) {
  const rows = frame.series.map((s, i) => ({ s, i, v: s.values[tip.i] })).filter((r) => r.v !== null && r.v !== undefined && !off.has(r.s.name)).sort((a, b) => b.v! - a.v!).slice(0, 10);
  if (rows.length === 0) return null;
  const place = (e: HTMLElement | null) => {
    if (!e) return;
    const room = (e.parentElement?.clientWidth ?? 0) - tip.x;
    e.style.left = room > 240 ? `${tip.x + 14}px` : "auto";
    e.style.right = room > 240 ? "auto" : `${room + 14}px`;
    e.style.top = "4px";
  };
  return (
    <div class="tip" ref={place}>
      <span class="dim">{clock(frame.at[tip.i]! * 1000)}</span>
      <table><tbody>{rows.map(({ s, i, v }) => <tr key={s.name + i}><td><i ref={(e) => { if (e) e.style.background = colour(`s${(i % 8) + 1}`); }} /> {s.name}</td><td class="num">{show(v!)}</td></tr>)}</tbody></table>
    </div>
  );
}
