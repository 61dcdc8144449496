// These types are the part of Grafana's dashboard JSON that is rendered.
export interface Dashboard {
  uid: string; title: string; description?: string; refresh?: string | boolean; time?: { from: string; to: string };
  templating?: { list?: Variable[] }; panels?: Panel[]; links?: { title: string; type: string; tags?: string[] }[];
}
export interface Variable {
  name: string; label?: string; type: string; hide?: number; query?: string | { query: string }; definition?: string;
  multi?: boolean; includeAll?: boolean; allValue?: string; regex?: string; sort?: number;
  current?: { text?: string | string[]; value?: string | string[] }; options?: { text: string; value: string }[];
}
export interface Link { title: string; url: string; targetBlank?: boolean }
export interface Threshold { color: string; value: number | null }
export interface Defaults {
  unit?: string; decimals?: number; min?: number; max?: number; displayName?: string; links?: Link[];
  color?: { mode?: string; fixedColor?: string }; thresholds?: { mode: string; steps: Threshold[] }; custom?: Record<string, unknown>;
  mappings?: unknown[];
}
export interface Override { matcher: { id: string; options?: unknown }; properties: { id: string; value?: unknown }[] }
export interface Target {
  refId?: string; expr?: string; legendFormat?: string; format?: string; instant?: boolean; range?: boolean; exemplar?: boolean; hide?: boolean;
  datasource?: { type?: string } | string; maxLines?: number;
}
export interface Panel {
  id?: number; type: string; title?: string; description?: string; gridPos?: { x: number; y: number; w: number; h: number };
  targets?: Target[]; datasource?: { type?: string } | string | null; fieldConfig?: { defaults?: Defaults; overrides?: Override[] };
  options?: Record<string, unknown>; transformations?: { id: string; options?: Record<string, unknown> }[]; panels?: Panel[];
  collapsed?: boolean; repeat?: string; libraryPanel?: unknown;
}

// Supported panels and transformations, as listed in docs/console.md.
export const panelTypes = ["timeseries", "stat", "gauge", "table", "heatmap", "nodeGraph", "logs", "text", "row"];
export const transformations = ["merge", "organize", "sortBy"];

export function sourceOf(t: Target, p: Panel): string {
  for (const d of [t.datasource, p.datasource]) if (d && typeof d === "object" && d.type) return d.type;
  return "prometheus";
}

// unsupported returns why a panel cannot be drawn, or an empty string.
export function unsupported(p: Panel): string {
  if (p.libraryPanel) return "A library panel lives in Grafana, not in this file.";
  if (!panelTypes.includes(p.type)) return `Panels of type “${p.type}” are not rendered here; Grafana shows this one.`;
  const other = (p.transformations ?? []).find((t) => !transformations.includes(t.id));
  if (other) return `The transformation “${other.id}” is not done here; Grafana shows this panel.`;
  const source = (p.targets ?? []).map((t) => sourceOf(t, p)).find((s) => s !== "prometheus" && s !== "loki" && s !== "datasource");
  if (source) return `Queries of “${source}” are not asked here; Grafana shows this panel.`;
  return "";
}

// inOrder expands collapsed rows and returns all panels as they are read, from the top left.
export function inOrder(panels: Panel[]): Panel[] {
  const all = panels.flatMap((p) => (p.type === "row" ? [p, ...(p.panels ?? [])] : [p]));
  const at = (p: Panel) => p.gridPos ?? { x: 0, y: 0 };
  return all.sort((a, b) => at(a).y - at(b).y || at(a).x - at(b).x);
}
