import { clock, shortOperation } from "../format";
import type { DrillRecord } from "../types";

const sec = (v: number | null): string => (v === null ? "–" : `${v.toFixed(1)} s`);
const right = (e: DrillRecord): boolean => e.round.right_hop && e.round.right_operation && e.round.right_kind;

// History lists the drills, newest first.
export function History({ history }: { history: DrillRecord[] }) {
  const good = history.filter(right).length;
  return (
    <section class="card" aria-label="History">
      <div class="cardhead"><h2>History</h2><span class="dim">{good} of {history.length} right</span></div>
      <Trend history={history} />
      <table>
        <thead><tr><th>when</th><th>hop</th><th>operation</th><th>answer</th><th class="num">entry slower</th><th class="num">first alert</th><th class="num">answered</th><th class="num">recovered</th></tr></thead>
        <tbody>
          {history.map((e) => (
            <tr key={e.at}>
              <td>{new Date(e.at).toLocaleDateString()} {clock(Date.parse(e.at))}</td><td>{e.round.fault.hop}</td><td>{shortOperation(e.round.fault.operation)}</td>
              <td class={right(e) ? "yes" : "no"}>{right(e) ? "✓ right" : e.round.seconds.answered === null ? "none" : "✗ wrong"}</td>
              <td class="num">{sec(e.round.seconds.moved)}</td><td class="num">{sec(e.round.seconds.alerted)}</td><td class="num"><b>{sec(e.round.seconds.answered)}</b></td><td class="num">{sec(e.round.seconds.recovered)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

// Trend charts the seconds to each answer, oldest first.
function Trend({ history }: { history: DrillRecord[] }) {
  const shown = [...history].reverse().filter((e) => e.round.seconds.answered !== null).slice(-40);
  if (shown.length < 2) return null;
  const top = Math.max(...shown.map((e) => e.round.seconds.answered!));
  return (
    <div class="trend" role="img" aria-label={`Seconds to the answer, oldest first: ${shown.map((e) => e.round.seconds.answered!.toFixed(0)).join(", ")}`}>
      {shown.map((e) => <i key={e.at} class={right(e) ? "" : "wrong"} title={`${sec(e.round.seconds.answered)}, ${right(e) ? "right" : "wrong"}`} ref={(el) => { if (el) el.style.height = `${(100 * e.round.seconds.answered!) / top}%`; }} />)}
    </div>
  );
}
