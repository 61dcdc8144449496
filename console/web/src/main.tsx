import { render } from "preact";
import { useEffect, useState } from "preact/hooks";
import { CompareView } from "./trace/compare";
import { DashboardList } from "./dash/list";
import { DashboardView } from "./dash/dashboard";
import { DiagnoseView } from "./diagnose/diagnose";
import { DrillView } from "./drill/drill";
import { IncidentView } from "./incident/incident";
import { IncidentsView } from "./incident/list";
import { NowView } from "./now/now";
import { ProtocolsView } from "./dash/protocols";
import { SearchView } from "./trace/search";
import { TraceView } from "./trace/trace";
import { connect, useLive } from "./live";
import { go, usePlace } from "./route";
import { applyTheme, nextTheme, theme } from "./theme";
import { Empty } from "./ui/state";
import "uplot/dist/uPlot.min.css";
import "./style/base.css";
import "./style/views.css";
import "./style/trace.css";
import "./style/incident.css";
import "./style/narrow.css";

const tabs: [string, string, RegExp][] = [
  ["Now", "/", /^\/$/],
  ["Incidents", "/incidents", /^\/incidents/],
  ["Diagnose", "/diagnose", /^\/diagnose/],
  ["Traces", "/search", /^\/(search|trace|compare)/],
  ["Dashboards", "/dashboards", /^\/(dashboards|d\/|protocols)/],
  ["Drills", "/drills", /^\/drills/],
];

function View({ path, query }: { path: string; query: URLSearchParams }) {
  const part = path.split("/").map(decodeURIComponent);
  if (path === "/") return <NowView />;
  if (path === "/diagnose") return <DiagnoseView query={query} />;
  if (path === "/incidents") return <IncidentsView />;
  if (part[1] === "incidents" && part[2]) return <IncidentView id={part[2]} />;
  if (path === "/search") return <SearchView query={query} />;
  if (part[1] === "trace" && part[2]) return <TraceView id={part[2]} query={query} />;
  if (path === "/compare") return <CompareView query={query} />;
  if (path === "/protocols") return <ProtocolsView />;
  if (path === "/dashboards") return <DashboardList />;
  if (part[1] === "d" && part[2]) return <DashboardView uid={part[2]} query={query} />;
  if (path === "/drills") return <DrillView />;
  return <Empty title="There is no such page">Choose one above.</Empty>;
}

function Status() {
  const live = useLive();
  const firing = live.now?.alerts.filter((a) => a.state === "firing").length ?? 0;
  const [text, kind] = !live.connected
    ? ["reconnecting", "stale"]
    : live.now?.error
      ? ["no metrics", "stale"]
      : ["live", "ok"];
  return (
    <>
      {live.drill && live.drill.phase !== "idle" && <a class="pill drill" href="/drills">drill runs</a>}
      {firing > 0 && <a class="pill firing" href="/">{firing} firing</a>}
      <span class={`live ${kind}`} title={live.now?.error ?? "updates every 2 s"} role="status">{text}</span>
    </>
  );
}

// Jump opens a trace by its ID, or the traces with a correlation ID.
function Jump() {
  const [text, setText] = useState("");
  useEffect(() => {
    const focus = (e: KeyboardEvent) => {
      const at = e.target as HTMLElement;
      if (e.key !== "/" || e.ctrlKey || e.metaKey || /^(INPUT|TEXTAREA|SELECT)$/.test(at.tagName)) return;
      e.preventDefault();
      document.querySelector<HTMLInputElement>("#jump")?.focus();
    };
    addEventListener("keydown", focus);
    return () => removeEventListener("keydown", focus);
  }, []);
  const submit = (e: Event) => {
    e.preventDefault();
    const id = text.trim();
    if (!id) return;
    go(/^[0-9a-fA-F]{16,32}$/.test(id) ? `/trace/${id}` : `/search?correlation=${encodeURIComponent(id)}`);
    setText("");
  };
  return (
    <form role="search" onSubmit={submit}>
      <input id="jump" aria-label="Trace ID or correlation ID" placeholder="Trace or correlation ID   /" value={text} spellcheck={false}
        onInput={(e) => setText(e.currentTarget.value)} />
    </form>
  );
}

function App() {
  const place = usePlace();
  const [mode, setMode] = useState(theme());
  useEffect(() => {
    const tab = tabs.find(([, , match]) => match.test(place.path));
    document.title = `${tab?.[0] ?? "Not found"} · tenhop`;
  }, [place.path]);
  return (
    <>
      <a class="skip" href="#main">Skip to content</a>
      <header class="bar">
        <a class="brand" href="/" aria-label="tenhop, to the map">
          <svg viewBox="0 0 34 12" width="34" height="12" aria-hidden="true">
            <path d="M3 6h28" /><circle cx="3" cy="6" r="2.2" /><circle cx="12" cy="6" r="2.2" /><circle class="hot" cx="21" cy="6" r="3.4" /><circle cx="31" cy="6" r="2.2" />
          </svg>
          tenhop
        </a>
        <nav aria-label="Pages">
          {tabs.map(([name, href, match]) => (
            <a key={href} href={href} aria-current={match.test(place.path) ? "page" : undefined}>{name}</a>
          ))}
        </nav>
        <Jump />
        <Status />
        <button class="quiet" onClick={() => setMode(applyTheme(nextTheme(mode)))} title="Switch between dark, light and the system's choice">
          theme: {mode === "system" ? "auto" : mode}
        </button>
      </header>
      <main id="main" tabIndex={-1}><View path={place.path} query={place.query} /></main>
    </>
  );
}

applyTheme(theme());
connect();
const app = document.getElementById("app");
if (app) {
  app.replaceChildren();
  render(<App />, app);
}
