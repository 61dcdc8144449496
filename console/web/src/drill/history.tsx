import { clock, shortOperation } from "../format";
import type { DrillRecord } from "../types";
import { Scroll } from "../ui/scroll";
import { counts, injected, mark, score } from "./words";

const sec = (v: number | null): string => (v === null ? "–" : `${v.toFixed(1)} s`);
const signs: Record<string, string> = { yes: "✓ ", no: "✗ ", void: "" };

// History lists the drills, newest first.
export function History({ history }: { history: DrillRecord[] }) {
  return (
    <section class="card" aria-label="History">
      <div class="cardhead"><h2>History</h2><span class="dim">{score(history)}</span></div>
      <Trend history={history} />
      <Scroll name="Drills">
        <table>
          <thead><tr><th>when</th><th>hop</th><th>operation</th><th>answer</th><th class="num">entry slower</th><th class="num">first alert</th><th class="num">answered</th><th class="num">recovered</th></tr></thead>
          <tbody>{history.map((e) => <Row key={e.at} e={e} />)}</tbody>
        </table>
      </Scroll>
    </section>
  );
}

function Row({ e }: { e: DrillRecord }) {
  const s = e.round.seconds;
  const was = injected(e.round);
  const { kind, text, why } = mark(e.round);
  return (
    <tr>
      <td>{new Date(e.at).toLocaleDateString()} {clock(Date.parse(e.at))}</td><td>{was.hop}</td><td>{shortOperation(was.operation)}</td>
      <td class={kind}>{signs[kind]}{text}{why && <div class="dim">{why}</div>}</td>
      <td class="num">{sec(s.moved)}</td><td class="num">{sec(s.alerted)}</td><td class="num"><b>{sec(s.answered)}</b></td><td class="num">{sec(s.recovered)}</td>
    </tr>
  );
}

// Trend charts the seconds to each answer that counts, oldest first.
function Trend({ history }: { history: DrillRecord[] }) {
  const shown = [...history].reverse().filter((e) => counts(e.round) && e.round.seconds.answered !== null).slice(-40);
  if (shown.length < 2) return null;
  const top = Math.max(...shown.map((e) => e.round.seconds.answered!));
  return (
    <div class="trend" role="img" aria-label={`Seconds to the answer, oldest first: ${shown.map((e) => e.round.seconds.answered!.toFixed(0)).join(", ")}`}>
      {shown.map((e) => {
        const { kind, text } = mark(e.round);
        return <i key={e.at} class={kind === "yes" ? "" : "wrong"} title={`${sec(e.round.seconds.answered)}, ${text}`} ref={(el) => { if (el) el.style.height = `${(100 * e.round.seconds.answered!) / top}%`; }} />;
      })}
    </div>
  );
}
