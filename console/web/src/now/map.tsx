import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { percent, rate, seconds, signed } from "../format";
import type { Edge, Hop, Snapshot } from "../types";
import { resilience } from "./resilience";
import { edgeKey, lay, minScale, nodeHeight, nodeName, nodePadding, protocolName, topology } from "./layout";

interface Props { now: Snapshot; stores: boolean; chosen: string; choose: (name: string) => void }


// ServiceMap draws the hops and the traffic between them.
export function ServiceMap({ now, stores, chosen, choose }: Props) {
  const box = useRef<HTMLDivElement>(null);
  const [aspect, setAspect] = useState(1.5);
  useEffect(() => {
    const el = box.current;
    if (!el) return;
    const seen = new ResizeObserver(() => setAspect(Math.max(0.3, el.clientWidth / Math.max(1, el.clientHeight))));
    seen.observe(el);
    return () => seen.disconnect();
  }, []);
  const hops = now.hops.filter((h) => stores || h.kind === "service");
  const names = new Set(hops.map((h) => h.name));
  const edges = now.edges.filter((e) => names.has(e.from) && names.has(e.to));
  const shape = topology(hops, edges);
  const laid = useMemo(() => lay(hops, edges, aspect), [shape, Math.round(aspect * 5)]);
  const byKey = new Map(edges.map((e) => [edgeKey(e), e]));
  const near = (e: Edge) => chosen !== "" && (e.from === chosen || e.to === chosen);
  const slowest = Math.max(...hops.map((h) => h.p95 ?? 0), 1e-6);
  const keys = (e: KeyboardEvent) => {
    if (e.key === "Escape") choose("");
  };
  return (
    <div class="mapbox" ref={box} onKeyDown={keys}>
      <svg ref={(e) => { if (e) e.style.width = `max(100%, ${Math.round(laid.width * minScale)}px)`; }} viewBox={`${laid.left} ${laid.top} ${laid.width} ${laid.height}`} preserveAspectRatio="xMidYMid meet" role="group" aria-label={`${hops.length} hops`}>
        <defs>
          {["plain", "queue", "hot"].map((id) => (
            <marker key={id} id={`arrow-${id}`} class={id} viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto-start-reverse" markerUnits="userSpaceOnUse">
              <path d="M0 0.8 L8 4 L0 7.2 z" />
            </marker>
          ))}
        </defs>
        <g>
          {laid.edges.map(({ edge, path, mid }) => {
            const e = byKey.get(edge);
            if (!e) return null;
            const kind = e.hot ? "hot" : e.topic ? "queue" : "plain";
            return (
              <g key={edge} class={`edge ${e.kind} ${e.topic ? "queue" : ""} ${e.waiting ? "waiting" : ""} ${e.hot ? "hot" : ""} ${resilience(e).length > 0 ? "struggling" : ""} ${near(e) ? "near" : chosen ? "far" : ""}`}>
                <title>{[`${e.from} → ${e.to}, ${protocolName(e.kind)}${e.topic ? ` ${e.topic}` : ""}`, `${rate(e.rate)}, mean ${e.topic ? "queue wait" : "wait"} ${seconds(e.mean)}`, ...(e.waiting ? [`${e.waiting} messages wait`] : []), ...resilience(e)].join("\n")}</title>
                <path class="hit" d={path} />
                <path d={path} marker-end={`url(#arrow-${kind})`} stroke-width={(1 + Math.log10(1 + e.rate) * 0.9).toFixed(2)} />
                {(e.topic || near(e)) && (
                  <text x={mid.x} y={mid.y} text-anchor="middle">
                    {e.topic ? <><tspan x={mid.x} dy="-5">{e.topic}</tspan><tspan x={mid.x} dy="17">{e.waiting ? `${e.waiting} waiting` : `queued ${seconds(e.mean)}`}</tspan></> : <tspan dy="-3">{seconds(e.mean)}</tspan>}
                  </text>
                )}
                {resilience(e).slice(0, 1).map((text) => <text key="resilience" class="resilience" x={mid.x} y={mid.y} dy="13" text-anchor="middle">{text}</text>)}
              </g>
            );
          })}
        </g>
        {hops.map((h) => {
          const at = laid.nodes.get(h.name);
          return at && <Node key={h.name} hop={h} nodeWidth={laid.nodeWidth} wait={edges.find((e) => e.to === h.name)?.mean} x={at.x} y={at.y} slowest={slowest} chosen={h.name === chosen} choose={choose} />;
        })}
      </svg>
    </div>
  );
}

interface NodeProps { hop: Hop; nodeWidth: number; wait: number | undefined; x: number; y: number; slowest: number; chosen: boolean; choose: (name: string) => void }

function Node({ hop: h, nodeWidth, wait, x, y, slowest, chosen, choose }: NodeProps) {
  const toggle = () => choose(chosen ? "" : h.name);
  const width = nodeWidth - 2 * nodePadding;
  const scale = (s: number) => Math.max(0, Math.min(1, Math.sqrt(s / slowest))) * width;
  const whole = scale(h.p95 ?? 0);
  const self = h.self !== undefined && h.p95 ? Math.min(whole, (h.self / h.p95) * whole) : 0;
  const words = `${h.name}, ${rate(h.rate)}, errors ${percent(h.errors)}, p95 ${seconds(h.p95)}, self time ${seconds(h.self)}${h.shed ? `, refuses ${rate(h.shed)}: too many are in flight` : ""}${h.hot ? `, hot: ${h.why ?? ""}` : ""}`;
  return (
    <g class={`node ${h.kind} ${h.hot ? "hot" : ""} ${chosen ? "chosen" : ""} ${h.errors > 0.01 ? "failing" : ""}`} transform={`translate(${x - nodeWidth / 2} ${y - nodeHeight / 2})`}
      tabindex={0} role="button" aria-pressed={chosen} onClick={toggle} data-hop={h.name}
      onKeyDown={(e) => { if (e.key === "Enter" || e.key === " ") { e.preventDefault(); toggle(); } }}>
      <title>{h.why || words}</title>
      <rect class="frame" width={nodeWidth} height={nodeHeight} rx="7" />
      <text class="name" x="10" y="20">{nodeName(h.name, nodeWidth)}</text>
      <text class="numbers" x="10" y="40">
        {h.p95 !== undefined ? `p95 ${seconds(h.p95)}` : `wait ${seconds(wait)}`}
      </text>
      {h.self !== undefined && <text class="self" x="10" y="57">self {seconds(h.self)}</text>}
      {h.hot && <text class="added" x={nodeWidth - 10} y="57" text-anchor="end">{signed(seconds(h.added))}</text>}
      {h.shed ? <text class="errors" x={nodeWidth - 10} y="40" text-anchor="end">{rate(h.shed)} shed</text> : h.errors > 0 ? <text class="errors" x={nodeWidth - 10} y="40" text-anchor="end">{percent(h.errors)} err</text>
        : <text class="rate" x={nodeWidth - 10} y="40" text-anchor="end">{rate(h.rate)}</text>}
      {h.p95 !== undefined && (
        <>
          <rect class="track" x="10" y="66" width={width} height="5" rx="2.5" />
          <rect class="wait" x="10" y="66" width={whole.toFixed(1)} height="5" rx="2.5" />
          <rect class="self" x="10" y="66" width={self.toFixed(1)} height="5" rx="2.5" />
        </>
      )}
    </g>
  );
}
