import { useEffect, useRef, useState } from "preact/hooks";
import { clock, micros } from "../format";
import { go } from "../route";
import type { Found } from "../types";

const height = 120;
const left = 58;

// Scatter plots the durations of traces over time.
export function Scatter({ traces }: { traces: Found[] }) {
  const box = useRef<SVGSVGElement>(null);
  const [width, setWidth] = useState(1000); // of the box, so that texts and circles keep their size
  useEffect(() => {
    const el = box.current;
    if (!el) return;
    const seen = new ResizeObserver(([e]) => setWidth(Math.max(200, Math.round(e!.contentRect.width))));
    seen.observe(el);
    return () => seen.disconnect();
  }, []);
  const from = Math.min(...traces.map((t) => t.start));
  const to = Math.max(...traces.map((t) => t.start), from + 1);
  const top = Math.max(...traces.map((t) => t.root), 1);
  const x = (t: Found) => left + 10 + ((t.start - from) / (to - from)) * (width - left - 24);
  const y = (t: Found) => 8 + (1 - t.root / top) * (height - 30);
  return (
    <svg class="scatter" ref={box} viewBox={`0 0 ${width} ${height}`} role="group" aria-label="Traces by start and duration">
      {[0, 0.5, 1].map((f) => (
        <g key={f}>
          <line x1={left} x2={width} y1={8 + (1 - f) * (height - 30)} y2={8 + (1 - f) * (height - 30)} />
          <text x={left - 8} y={12 + (1 - f) * (height - 30)} text-anchor="end">{micros(f * top)}</text>
        </g>
      ))}
      <text x={left + 10} y={height - 4}>{clock(from / 1000)}</text>
      <text x={width - 14} y={height - 4} text-anchor="end">{clock(to / 1000)}</text>
      {traces.map((t) => (
        <circle key={t.trace_id} class={t.failed ? "failed" : ""} cx={x(t)} cy={y(t)} r={4.5} tabindex={0} role="link"
          aria-label={`${micros(t.root)}, ${t.service} ${t.operation}`} onClick={() => go(`/trace/${t.trace_id}`)}
          onKeyDown={(e) => { if (e.key === "Enter") go(`/trace/${t.trace_id}`); }}>
          <title>{`${micros(t.root)}  ${t.service} ${t.operation}`}</title>
        </circle>
      ))}
    </svg>
  );
}
