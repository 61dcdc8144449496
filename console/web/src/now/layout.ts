import { Graph, layout } from "@dagrejs/dagre";
import type { Edge, Hop } from "../types";
import { clip, textWidth } from "./text";

// Laid holds the positions of nodes and edges. They depend on names and
// connections only, so that the map does not move with its numbers.
export interface Laid {
  left: number; top: number; width: number; height: number; // of everything, edges included
  nodeWidth: number;
  nodes: Map<string, { x: number; y: number }>;
  edges: { edge: string; path: string; mid: { x: number; y: number } }[];
}

export const nodeHeight = 80;
export const nodePadding = 10;
const nameSize = 13.5; // as in .node .name
const widths = { min: 158, max: 180 };

// nodeWidthFor returns the width in which the longest of names fits, within limits.
export function nodeWidthFor(names: string[]): number {
  const longest = Math.max(0, ...names.map((n) => textWidth(n, nameSize)));
  return Math.ceil(Math.min(widths.max, Math.max(widths.min, longest + 2 * nodePadding)));
}

// nodeName returns what fits of a name.
export const nodeName = (name: string, width: number): string => clip(name, width - 2 * nodePadding, nameSize);

// minScale is the smallest scale at which a map is readable. A map that needs a
// smaller one to fit scrolls.
export const minScale = 0.62;

export const edgeKey = (e: Edge): string => `${e.from}\u0000${e.to}\u0000${e.kind}\u0000${e.topic ?? ""}`;

export function topology(hops: Hop[], edges: Edge[]): string {
  return hops.map((h) => h.name).join("\u0001") + "\u0002" + edges.map(edgeKey).join("\u0001");
}

// lay tries both directions and returns the one that fills a box of the aspect
// ratio best. Nodes are as wide as their titles need.
export function lay(hops: Hop[], edges: Edge[], aspect: number, titles: string[] = hops.map((h) => h.name)): Laid {
  const nodeWidth = nodeWidthFor(titles);
  const fit = (l: Laid) => Math.min(aspect / l.width, 1 / l.height);
  const a = direction(hops, edges, "TB", 22, nodeWidth);
  const b = direction(hops, edges, "LR", 18, nodeWidth);
  if (fit(a) >= fit(b)) return a;
  // Spare height goes between the rows.
  const spare = (b.width / aspect - b.height) / Math.max(1, b.height / (nodeHeight + 18));
  return spare > 4 ? direction(hops, edges, "LR", 18 + Math.min(40, spare * 0.8), nodeWidth) : b;
}

function direction(hops: Hop[], edges: Edge[], rankdir: "TB" | "LR", nodesep: number, nodeWidth: number): Laid {
  const g = new Graph({ multigraph: true });
  g.setGraph({ rankdir, nodesep, ranksep: rankdir === "TB" ? 42 : 30, edgesep: 10, marginx: 12, marginy: 12 });
  g.setDefaultEdgeLabel(() => ({}));
  for (const h of hops) g.setNode(h.name, { width: nodeWidth, height: nodeHeight });
  for (const e of edges) {
    if (g.hasNode(e.from) && g.hasNode(e.to) && e.from !== e.to) g.setEdge(e.from, e.to, { key: edgeKey(e), ...(e.topic ? { width: rankdir === "LR" ? 88 : 60, height: 30, labelpos: "c" } : {}) }, edgeKey(e));
  }
  layout(g);
  const nodes = new Map<string, { x: number; y: number }>();
  for (const name of g.nodes()) {
    const n = g.node(name) as { x: number; y: number };
    nodes.set(name, { x: n.x, y: n.y });
  }
  const laid = g.edges().map((id) => {
    const e = g.edge(id) as { key: string; points: { x: number; y: number }[]; x?: number; y?: number };
    const middle = e.points[Math.floor(e.points.length / 2)] ?? { x: 0, y: 0 };
    return { edge: e.key, path: curve(e.points), mid: { x: e.x ?? middle.x, y: e.y ?? middle.y } };
  });
  // Edges may bend out beyond the nodes.
  const xs = [...nodes.values()].flatMap((n) => [n.x - nodeWidth / 2, n.x + nodeWidth / 2]);
  const ys = [...nodes.values()].flatMap((n) => [n.y - nodeHeight / 2, n.y + nodeHeight / 2]);
  for (const id of g.edges()) {
    for (const p of (g.edge(id) as { points: { x: number; y: number }[] }).points) {
      xs.push(p.x);
      ys.push(p.y);
    }
  }
  const margin = 8;
  const left = Math.min(...xs, 0) - margin;
  const top = Math.min(...ys, 0) - margin;
  return { left, top, width: Math.max(...xs, 1) + margin - left, height: Math.max(...ys, 1) + margin - top, nodeWidth, nodes, edges: laid };
}

// curve returns a path through the midpoints between the points.
function curve(p: { x: number; y: number }[]): string {
  const first = p[0];
  const last = p[p.length - 1];
  if (!first || !last) return "";
  let d = `M${first.x.toFixed(1)},${first.y.toFixed(1)}`;
  for (let i = 1; i < p.length - 1; i++) {
    const a = p[i]!;
    const b = p[i + 1]!;
    const end = i === p.length - 2 ? b : { x: (a.x + b.x) / 2, y: (a.y + b.y) / 2 };
    d += `Q${a.x.toFixed(1)},${a.y.toFixed(1)} ${end.x.toFixed(1)},${end.y.toFixed(1)}`;
  }
  if (p.length === 2) d += `L${last.x.toFixed(1)},${last.y.toFixed(1)}`;
  return d;
}

const protocols: Record<string, string> = { http: "HTTP", grpc: "gRPC", kafka: "Kafka", rabbitmq: "RabbitMQ" };

// protocolName returns how people write the kind of an edge.
export function protocolName(kind: string): string {
  return protocols[kind] ?? kind;
}

// brokers returns the names of the messaging systems of a map.
export function brokers(edges: Edge[]): string[] {
  return [...new Set(edges.filter((e) => e.topic).map((e) => protocolName(e.kind)))].sort();
}
