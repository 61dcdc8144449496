import { useEffect, useRef, useState } from "preact/hooks";
import type { ComponentChildren } from "preact";
import { Heatmap } from "./heatmap";
import { Logs } from "./logs";
import { unsupported, type Panel } from "./model";
import { NodeGraph } from "./nodegraph";
import { instant, range, type Context } from "./query";
import { Gauge, Stat } from "./stat";
import { Table } from "./table";
import { TimeSeries } from "./timeseries";

interface Props { panel: Panel; context: Context; zoom: (from: number, to: number) => void }

// PanelView draws a panel at its grid position, or the reason why it cannot.
export function PanelView({ panel: p, context, zoom }: Props) {
  const box = useRef<HTMLElement>(null);
  const [seen, setSeen] = useState(false);
  useEffect(() => {
    const el = box.current;
    if (!el) return;
    const g = p.gridPos ?? { x: 0, y: 0, w: 24, h: 8 };
    el.style.gridColumn = `${g.x + 1} / span ${g.w}`;
    el.style.gridRow = `${g.y + 1} / span ${g.h}`;
    el.style.setProperty("--rows", String(g.h)); // on a narrow screen, where there is no grid
    const watch = new IntersectionObserver((e) => setSeen(e.some((x) => x.isIntersecting)), { rootMargin: "200px" });
    watch.observe(el);
    return () => watch.disconnect();
  }, [p]);
  if (p.type === "row") return <section class="panel row" ref={box}>{p.title}</section>;
  const why = unsupported(p);
  return (
    <section class="panel" ref={box} aria-label={p.title} data-panel={p.title}>
      {p.title && <header><h2>{p.title}</h2>{p.description && <span class="i" title={p.description} tabIndex={0} aria-label={p.description}>i</span>}</header>}
      {why ? <Note kind="unsupported">{why}</Note> : p.type === "text" ? <Text p={p} /> : <Filled panel={p} context={context} zoom={zoom} seen={seen} />}
    </section>
  );
}

export function Note({ children, kind = "none" }: { children: ComponentChildren; kind?: string }) {
  return <div class={`note ${kind}`} role="status">{children}</div>;
}

function Text({ p }: { p: Panel }) {
  const content = String((p.options ?? {})["content"] ?? "");
  return <div class="body scroll">{content.split(/\n{2,}/).map((t, i) => <p key={i}>{t.replace(/^#+\s*/, "")}</p>)}</div>;
}

// The last answer stays until the next one arrives.
function useAnswer<T>(context: Context, seen: boolean, ask: (signal: AbortSignal) => Promise<T>): { data?: T; error?: Error } {
  const [state, set] = useState<{ data?: T; error?: Error }>({});
  useEffect(() => {
    if (!seen) return;
    const abort = new AbortController();
    ask(abort.signal).then((data) => set({ data }), (error: Error) => { if (!abort.signal.aborted) set((s) => ({ ...s, error })); });
    return () => abort.abort();
  }, [context, seen]);
  return state;
}

function Filled({ panel: p, context, zoom, seen }: Props & { seen: boolean }) {
  switch (p.type) {
    case "table": case "nodeGraph": return <Instant panel={p} context={context} seen={seen} />;
    case "logs": return <Logs panel={p} context={context} seen={seen} />;
    default: return <Ranged panel={p} context={context} zoom={zoom} seen={seen} />;
  }
}

const failed = (e: Error) => <Note kind="bad">{e.message}</Note>;

function Instant({ panel: p, context, seen }: { panel: Panel; context: Context; seen: boolean }) {
  const { data, error } = useAnswer(context, seen, (signal) => instant(p, context, signal));
  if (error && !data) return failed(error);
  if (!data) return <Note kind="loading">…</Note>;
  if (data.length === 0) return <Note>No data in this range.</Note>;
  return p.type === "table" ? <Table panel={p} context={context} rows={data} /> : <NodeGraph panel={p} rows={data} />;
}

function Ranged({ panel: p, context, zoom, seen }: Props & { seen: boolean }) {
  const { data, error } = useAnswer(context, seen, (signal) => range(p, context, signal));
  if (error && !data) return failed(error);
  if (!data) return <Note kind="loading">…</Note>;
  if (data.series.every((s) => s.values.every((v) => v === null))) return <Note>No data in this range.</Note>;
  switch (p.type) {
    case "stat": return <Stat panel={p} frame={data} />;
    case "gauge": return <Gauge panel={p} frame={data} />;
    case "heatmap": return <Heatmap panel={p} frame={data} />;
    default: return <TimeSeries panel={p} frame={data} zoom={zoom} />;
  }
}
