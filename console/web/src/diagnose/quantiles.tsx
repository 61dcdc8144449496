import { millis, signed } from "../format";
import type { Band } from "../types";
import { Pair } from "./findings";
import { carriers, quantileName, reliable } from "./words";

// Quantiles shows what was added around each quantile of the entry, and where.
export function Quantiles({ bands }: { bands: Band[] }) {
  const longest = Math.max(...bands.map((b) => Math.max(b.baseline_ms, b.now_ms)), 1e-9);
  return (
    <section class="card" aria-label="Quantiles">
      <div class="cardhead"><h2>Quantiles</h2><span class="dim">from traces</span></div>
      <table class="quantiles stacked">
        <thead><tr><th /><th>before, now</th><th class="num">added</th><th>where it was added</th><th class="num">before, now</th></tr></thead>
        <tbody>
          {bands.map((b) => (
            <tr key={b.quantile} class={reliable(b) ? "" : "few"} title={reliable(b) ? undefined : "too few traces to rely on"}>
              <td class="rank">{quantileName(b)}</td>
              <td><Pair before={b.baseline_ms / longest} now={b.now_ms / longest} text={`${millis(b.baseline_ms)} → ${millis(b.now_ms)}`} /></td>
              <td class="num added">{signed(millis(b.added_ms))}</td>
              <td><div class="chips">{carriers(b).map((text) => <span class="chip" key={text}>{text}</span>)}</div></td>
              <td class="num dim">{b.requests.baseline}, {b.requests.now} traces{reliable(b) ? "" : " (few)"}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}
