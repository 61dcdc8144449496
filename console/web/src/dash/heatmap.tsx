import { useEffect, useRef, useState } from "preact/hooks";
import { clock } from "../format";
import { go } from "../route";
import { colour } from "../theme";
import type { Panel } from "./model";
import type { Frame } from "./query";
import { written } from "./units";

interface Rows { names: string[]; cells: (number | null)[][]; bounds: number[] | undefined; show: (v: number) => string }

// rowsOf returns one row per bucket of a histogram, not cumulative, and one row
// per series otherwise.
export function rowsOf(p: Panel, frame: Frame): Rows {
  const unit = p.fieldConfig?.defaults?.unit;
  const buckets = frame.series.length > 0 && frame.series.every((s) => s.labels["le"] !== undefined);
  if (!buckets) {
    const sorted = [...frame.series].sort((a, b) => b.name.localeCompare(a.name));
    return { names: sorted.map((s) => s.name), cells: sorted.map((s) => s.values), bounds: undefined, show: written(unit) };
  }
  const le = (s: { labels: Record<string, string> }) => Number(s.labels["le"] === "+Inf" ? Infinity : s.labels["le"]);
  const sorted = [...frame.series].sort((a, b) => le(a) - le(b));
  const cells = sorted.map((s, r) => s.values.map((v, i) => (v === null ? null : Math.max(0, v - (r > 0 ? sorted[r - 1]!.values[i] ?? 0 : 0)))));
  let first = cells.findIndex((row) => row.some((v) => (v ?? 0) > 0.001));
  let last = cells.findLastIndex((row) => row.some((v) => (v ?? 0) > 0.001));
  if (first < 0) { first = 0; last = cells.length - 1; }
  const write = written(unit ?? "s");
  const keep = <T,>(a: T[]) => a.slice(first, last + 1);
  return { names: keep(sorted).map((s) => (isFinite(le(s)) ? `≤ ${write(le(s))}` : "more")), cells: keep(cells), bounds: keep(sorted.map(le)), show: (v) => `${v.toFixed(v < 10 ? 1 : 0)} requests` };
}

const left = 74;
const bottom = 18;

// Heatmap draws rows over time.
export function Heatmap({ panel: p, frame }: { panel: Panel; frame: Frame }) {
  const box = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const [size, setSize] = useState({ w: 300, h: 150 });
  const [theme, retheme] = useState(0);
  const [tip, setTip] = useState<{ x: number; y: number; text: string }>();
  const rows = rowsOf(p, frame);
  useEffect(() => {
    const el = box.current;
    if (!el) return;
    const seen = new ResizeObserver(() => setSize({ w: el.clientWidth, h: el.clientHeight }));
    seen.observe(el);
    const again = () => retheme((n) => n + 1);
    addEventListener("themechange", again);
    return () => { seen.disconnect(); removeEventListener("themechange", again); };
  }, []);
  useEffect(() => {
    if (canvas.current) draw(canvas.current, size.w, size.h, rows, frame.at);
  }, [frame, size, theme]);
  const cellW = (size.w - left) / Math.max(1, frame.at.length);
  const cellH = (size.h - bottom) / Math.max(1, rows.names.length);
  const at = (e: MouseEvent) => {
    const r = canvas.current!.getBoundingClientRect();
    const i = Math.floor((e.clientX - r.left - left) / cellW);
    const row = rows.names.length - 1 - Math.floor((e.clientY - r.top) / cellH);
    const v = rows.cells[row]?.[i];
    setTip(v === null || v === undefined ? undefined : { x: e.clientX - r.left, y: e.clientY - r.top, text: `${clock(frame.at[i]! * 1000)}  ${rows.names[row]}: ${rows.show(v)}` });
  };
  const row = (value: number) => (rows.bounds ? rows.bounds.findIndex((b) => value <= b) : -1);
  const from = frame.at[0] ?? 0;
  const step = (frame.at[1] ?? from + 1) - from;
  return (
    <div class="body heat" ref={box} onMouseMove={at} onMouseLeave={() => setTip(undefined)}>
      <canvas ref={canvas} role="img" aria-label={`${p.title ?? "heatmap"}: ${rows.names.length} rows`} />
      {frame.exemplars.map((e) => {
        const r = row(e.value);
        if (r < 0) return null;
        const x = left + ((e.at - from) / step + 0.5) * cellW;
        const y = (rows.names.length - 1 - r + 0.5) * cellH;
        if (x < left || x > size.w) return null;
        return <button key={e.trace + e.at} class="exemplar" title={`${written("s")(e.value)} · open the trace`} aria-label={`Trace of ${written("s")(e.value)}`} onClick={() => go(`/trace/${e.trace}`)} ref={(el) => { if (el) { el.style.left = `${x}px`; el.style.top = `${y}px`; } }} />;
      })}
      {tip && <div class="tip" ref={(e) => { if (e) { e.style.left = tip.x > size.w / 2 ? "auto" : `${tip.x + 12}px`; e.style.right = tip.x > size.w / 2 ? `${size.w - tip.x + 12}px` : "auto"; e.style.top = `${Math.max(0, tip.y - 30)}px`; } }}>{tip.text}</div>}
    </div>
  );
}

function draw(c: HTMLCanvasElement, w: number, h: number, rows: Rows, at: number[]): void {
  const ratio = devicePixelRatio || 1;
  c.width = w * ratio;
  c.height = h * ratio;
  const ctx = c.getContext("2d");
  if (!ctx) return;
  ctx.scale(ratio, ratio);
  const n = rows.names.length;
  const cw = (w - left) / Math.max(1, at.length);
  const ch = (h - bottom) / Math.max(1, n);
  const top = Math.max(1e-12, ...rows.cells.flat().map((v) => v ?? 0));
  ctx.fillStyle = colour("hot");
  rows.cells.forEach((row, r) => row.forEach((v, i) => {
    if (v === null || v <= 0) return;
    ctx.globalAlpha = 0.06 + 0.94 * Math.sqrt(v / top);
    ctx.fillRect(left + i * cw, (n - 1 - r) * ch, cw > 7 ? cw - 1 : cw + 0.4, Math.max(1, ch - 1));
  }));
  ctx.globalAlpha = 1;
  ctx.fillStyle = colour("dim");
  ctx.font = "11px " + getComputedStyle(document.body).fontFamily;
  ctx.textAlign = "right";
  ctx.textBaseline = "middle";
  const every = Math.ceil(13 / ch);
  rows.names.forEach((name, r) => {
    if (r % every === 0) ctx.fillText(name.length > 12 ? name.slice(0, 11) + "…" : name, left - 7, (n - 1 - r + 0.5) * ch);
  });
  ctx.textAlign = "center";
  const ticks = Math.max(2, Math.floor((w - left) / 110));
  for (let k = 0; k < ticks; k++) {
    const i = Math.floor(((k + 0.5) / ticks) * at.length);
    if (at[i] !== undefined) ctx.fillText(clock(at[i]! * 1000), left + (i + 0.5) * cw, h - bottom / 2 + 1);
  }
}
