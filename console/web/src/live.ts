import { useEffect, useState } from "preact/hooks";
import { get, upstream } from "./api";
import { fill, past, remember, type History, type Matrix } from "./history";
import type { DrillState, Events, Snapshot } from "./types";

// Live holds what the event stream has sent. The page has one stream, which the
// browser reopens when it breaks.
export interface Live { now?: Snapshot; drill?: DrillState; connected: boolean; history: History }

const state: Live = { connected: false, history: new Map() };
const listeners = new Set<() => void>();
const changed = () => {
  for (const l of listeners) l();
};

// recall reads the minutes before the stream from Prometheus. Without an answer,
// the history begins now.
async function recall(): Promise<void> {
  const config = await get("GET /api/config");
  const q = past(Math.floor(Date.now() / 1000), config.scrape_seconds, config.labels["service"]);
  fill(state.history, q, await upstream<Matrix>("prometheus/query_range", q));
  changed();
}

let source: EventSource | undefined;

// A browser opens six connections to a server at most. A hidden page, in another
// tab or kept for going back, must not hold one of them.
export function connect(): void {
  const follow = () => (document.visibilityState === "visible" ? open() : close());
  addEventListener("visibilitychange", follow);
  addEventListener("pagehide", close);
  addEventListener("pageshow", follow);
  follow();
}

function close(): void {
  source?.close();
  source = undefined;
}

function open(): void {
  if (source) return;
  source = new EventSource("/api/live");
  void recall().catch(() => undefined);
  source.onopen = () => {
    state.connected = true;
    changed();
  };
  const mine = source;
  const on = <E extends keyof Events>(name: E, handle: (data: Events[E]) => void) =>
    mine.addEventListener(name, (e) => handle(JSON.parse((e as MessageEvent<string>).data) as Events[E]));
  source.onerror = () => {
    state.connected = false;
    changed();
    // After a status other than 200 the browser gives up; a proxy may be back soon.
    if (mine.readyState === EventSource.CLOSED && source === mine) {
      source = undefined;
      setTimeout(() => { if (document.visibilityState === "visible") open(); }, 3000);
    }
  };
  on("now", (next) => {
    // After an error the last map stays, with the reason why it is not updated.
    state.now = next.error && state.now ? { ...state.now, error: next.error } : next;
    if (!next.error) remember(state.history, next);
    state.connected = true;
    changed();
  });
  on("drill", (drill) => {
    state.drill = drill;
    changed();
  });
}

export function useLive(): Live {
  const [, set] = useState(0);
  useEffect(() => {
    const l = () => set((n) => n + 1);
    listeners.add(l);
    return () => void listeners.delete(l);
  }, []);
  return state;
}
