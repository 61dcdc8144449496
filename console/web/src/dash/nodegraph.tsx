import { useMemo } from "preact/hooks";
import type { Edge, Hop } from "../types";
import { edgeKey, lay, minScale, nodeHeight, nodeName, topology } from "../now/layout";
import type { Panel } from "./model";
import type { Row } from "./query";
import { written } from "./units";

// NodeGraph draws Grafana's node graph frames: rows with id and title are nodes,
// rows with source and target are edges. The value is the main figure of both.
export function NodeGraph({ panel: p, rows }: { panel: Panel; rows: Row[] }) {
  const options = (p.options ?? {}) as { nodes?: { mainStatUnit?: string }; edges?: { mainStatUnit?: string } };
  const nodes = new Map<string, { title: string; value?: number }>();
  const edges: (Edge & { value: number })[] = [];
  for (const r of rows) {
    const { id, title, source, target } = r.labels;
    if (source !== undefined && target !== undefined) edges.push({ from: source, to: target, kind: "grpc", rate: r.value, value: r.value });
    else if (id !== undefined) nodes.set(id, { title: title || id, value: r.value });
  }
  for (const e of edges) for (const id of [e.from, e.to]) if (!nodes.has(id)) nodes.set(id, { title: id });
  const hops = [...nodes.keys()].sort().map((name): Hop => ({ name, kind: "service", rate: 0, errors: 0, operations: [] }));
  const laid = useMemo(() => lay(hops, edges, 1.25, hops.map((h) => nodes.get(h.name)!.title)), [topology(hops, edges)]);
  const { nodeWidth } = laid;
  const showNode = written(options.nodes?.mainStatUnit);
  const showEdge = written(options.edges?.mainStatUnit);
  const byKey = new Map(edges.map((e) => [edgeKey(e), e]));
  return (
    <div class="body mapbody" tabIndex={0}>
      <svg ref={(e) => { if (e) { e.style.width = `max(100%, ${Math.round(laid.width * minScale)}px)`; e.style.height = `max(100%, ${Math.round(laid.height * minScale)}px)`; } }} viewBox={`${laid.left} ${laid.top} ${laid.width} ${laid.height}`} preserveAspectRatio="xMidYMid meet" role="img" aria-label={`${hops.length} nodes, ${edges.length} edges`}>
        {laid.edges.map((e) => <g key={e.edge} class="edge"><title>{`${byKey.get(e.edge)!.from} → ${byKey.get(e.edge)!.to}: ${showEdge(byKey.get(e.edge)!.value)}`}</title><path d={e.path} /><text x={e.mid.x} y={e.mid.y} text-anchor="middle">{showEdge(byKey.get(e.edge)!.value)}</text></g>)}
        {hops.map((h) => {
          const at = laid.nodes.get(h.name);
          const n = nodes.get(h.name)!;
          return at && (
            <g key={h.name} class="node" transform={`translate(${at.x - nodeWidth / 2} ${at.y - nodeHeight / 2})`}>
              <rect class="frame" width={nodeWidth} height={nodeHeight} rx="7" />
              <text class="name" x={nodeWidth / 2} y="28" text-anchor="middle">{nodeName(n.title, nodeWidth)}</text>
              <text x={nodeWidth / 2} y="50" text-anchor="middle">{n.value === undefined ? "" : showNode(n.value)}</text>
            </g>
          );
        })}
      </svg>
    </div>
  );
}
