import { ago, objective, percent } from "../format";
import type { Alert, SLO } from "../types";

// local and web accept an alert's link within the page, or to the web.
// A browser reads a backslash as a slash, so a path alone does not tell.
const local = (href: string | undefined): string | undefined =>
  href && href.startsWith("/") && URL.canParse(href, location.href) && new URL(href, location.href).origin === location.origin ? href : undefined;
const web = (href: string | undefined): string | undefined => (href && /^https?:\/\//.test(href) ? href : undefined);

export function Alerts({ alerts }: { alerts: Alert[] }) {
  const firing = alerts.filter((a) => a.state === "firing");
  const pending = alerts.length - firing.length;
  return (
    <section class="card alerts" aria-label="Alerts" aria-live="polite">
      <div class="cardhead"><h2>Alerts</h2>{pending > 0 && <span class="dim">{pending} pending</span>}<a href="/incidents">incidents</a></div>
      {firing.length === 0 ? (
        <p class="calm">No alert is firing.</p>
      ) : (
        <ul>
          {firing.map((a) => (
            <li key={a.name + a.summary} class={a.severity}>
              <div class="alerthead"><b>{a.name}</b><span class="sev">{a.severity}</span><span class="dim">{ago(Date.parse(a.since))}</span></div>
              <p>{a.summary}</p>
              <div class="links">
                {local(a.traces) && <a href={local(a.traces)}>traces</a>}
                {local(a.dashboard) && <a href={local(a.dashboard)}>dashboard</a>}
                {web(a.runbook) && <a href={web(a.runbook)} target="_blank" rel="noreferrer">runbook</a>}
              </div>
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}

export function Slos({ slos }: { slos: SLO[] }) {
  if (slos.length === 0) return null;
  return (
    <section class="card slos" aria-label="Objectives">
      <div class="cardhead"><h2>Objectives</h2><a href="/d/tenhop-slo">error budgets</a></div>
      <table>
        <thead><tr><th>objective</th><th class="num">target</th><th class="num" title="Ratio of the last 5 minutes that missed the objective">missed</th><th class="num" title="Burn rate: at 1 the error budget lasts exactly as long as the objective's period">burn</th></tr></thead>
        <tbody>
          {slos.map((s) => (
            <tr key={s.service + s.name} class={s.burn_fast >= 14.4 ? "bad" : s.burn_fast > 1 ? "warn" : ""}>
              <td class="nowrap" title={s.service}>{s.name}</td>
              <td class="num">{objective(s.objective)}</td>
              <td class="num">{percent(s.errors)}</td>
              <td class="num burn">{s.burn_fast.toFixed(1)}×</td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}
