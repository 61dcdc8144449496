import { useEffect, useMemo, useState } from "preact/hooks";
import { get } from "../api";
import { clock } from "../format";
import { go } from "../route";
import { Failure, Loading, useLoad } from "../ui/state";
import { inOrder, type Dashboard, type Variable } from "./model";
import { PanelView } from "./panel";
import { ranges, refreshes, times } from "./time";
import { all, initial, options, shown, type Values } from "./vars";

// DashboardView renders a dashboard in Grafana's JSON. Its address has Grafana's
// parameters: var-…, from and to.
export function DashboardView({ uid, query }: { uid: string; query: URLSearchParams }) {
  const { data, error, reload } = useLoad(uid, (signal) => get("GET /api/dashboards/{uid}", {}, signal, { uid }) as Promise<Dashboard>);
  const config = useLoad("config", (signal) => get("GET /api/config", {}, signal));
  if (error) return <Failure error={error} retry={reload} />;
  if (!data || config.loading) return <Loading what="the dashboard" />;
  return <Rendered key={uid} d={data} uid={uid} query={query} scrape={config.data?.scrape_seconds ?? 0} />;
}

function Rendered({ d, uid, query, scrape }: { d: Dashboard; uid: string; query: URLSearchParams; scrape: number }) {
  const variables = d.templating?.list ?? [];
  const from = query.get("from") ?? d.time?.from ?? "now-15m";
  const to = query.get("to") ?? d.time?.to ?? "now";
  const [refresh, setRefresh] = useState(typeof d.refresh === "string" && d.refresh in refreshes ? d.refresh : d.refresh ? "10s" : "off");
  const [turn, setTurn] = useState(0);
  useEffect(() => {
    const every = refreshes[refresh];
    if (!every) return;
    const t = setInterval(() => { if (!document.hidden) setTurn((n) => n + 1); }, every * 1000);
    return () => clearInterval(t);
  }, [refresh]);
  const text = query.toString();
  const values = useMemo(() => initial(variables, query), [text]);
  const range = useMemo(() => ({ ...times(from, to), scrape }), [from, to, turn, scrape]);
  const set = (change: Record<string, string | string[]>) => {
    const q = new URLSearchParams(query);
    for (const [k, v] of Object.entries(change)) {
      q.delete(k);
      for (const one of Array.isArray(v) ? v : [v]) if (one) q.append(k, one);
    }
    go(`/d/${encodeURIComponent(uid)}?${q}`, true);
  };
  const zoom = (a: number, b: number) => set({ from: String(Math.round(a * 1000)), to: String(Math.round(b * 1000)) });
  const context = useMemo(() => ({ variables, values, times: range }), [variables, values, range]);
  const preset = ranges.some(([v]) => v === from) && to === "now";
  return (
    <div>
      <div class="controls">
        <Switcher uid={uid} title={d.title} query={query} />
        {variables.filter(shown).map((v) => <Control key={v.name} v={v} variables={variables} values={values} range={{ from, to }} set={(x) => set({ [`var-${v.name}`]: x })} />)}
        <span class="right controls">
          <select aria-label="Time range" value={preset ? from : "own"} onChange={(e) => set({ from: e.currentTarget.value, to: "now" })}>
            {ranges.map(([v, label]) => <option key={v} value={v}>last {label}</option>)}
            {!preset && <option value="own">{clock(range.from * 1000)} – {clock(range.to * 1000)}</option>}
          </select>
          <select aria-label="Refresh" value={refresh} onChange={(e) => setRefresh(e.currentTarget.value)}>{Object.keys(refreshes).map((r) => <option key={r} value={r}>{r === "off" ? "no refresh" : `every ${r}`}</option>)}</select>
        </span>
      </div>
      {d.description && <p class="hint">{d.description}</p>}
      <div class="grid">{inOrder(d.panels ?? []).map((p, i) => <PanelView key={p.id ?? i} panel={p} context={context} zoom={zoom} />)}</div>
    </div>
  );
}


function Switcher({ uid, title, query }: { uid: string; title: string; query: URLSearchParams }) {
  const { data } = useLoad("dashboards", (signal) => get("GET /api/dashboards", {}, signal));
  const keep = new URLSearchParams(query).toString();
  return (
    <select aria-label="Dashboard" class="switcher" value={uid} onChange={(e) => go(`/d/${encodeURIComponent(e.currentTarget.value)}${keep ? `?${keep}` : ""}`)}>
      {(data ?? [{ uid, title }]).map((d) => <option key={d.uid} value={d.uid}>{d.title}</option>)}
    </select>
  );
}

interface ControlProps { v: Variable; variables: Variable[]; values: Values; range: { from: string; to: string }; set: (v: string[]) => void }

function Control({ v, variables, values, range, set }: ControlProps) {
  const key = JSON.stringify([v.name, values, range]);
  const { data, error } = useLoad(key, (signal) => options(v, variables, values, times(range.from, range.to), signal));
  const now = values[v.name] ?? [];
  const label = v.label || v.name;
  if (error) return <label title={error.message} class="bad">{label}: not available</label>;
  if (v.type === "textbox") return <label>{label}<input value={now[0] ?? ""} onChange={(e) => set([e.currentTarget.value])} /></label>;
  const every = v.includeAll ?? false;
  const offered = [...new Set([...(data ?? []), ...now.filter((x) => x !== all)])];
  if (every && data && offered.length === 0) return null;
  return (
    <label>{label}
      <select value={now.length === 1 ? now[0] : now.length === 0 ? (every ? all : "") : "several"} onChange={(e) => set(e.currentTarget.value === all ? [] : [e.currentTarget.value])}>
        {every && <option value={all}>all</option>}
        {now.length > 1 && <option value="several">{now.length} chosen</option>}
        {offered.map((o) => <option key={o} value={o}>{o}</option>)}
      </select>
    </label>
  );
}
