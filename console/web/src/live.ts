import { useEffect, useState } from "preact/hooks";
import type { DrillState, Events, Snapshot } from "./types";

// One stream for the whole page. The browser reconnects by itself when it breaks.
export interface Live { now?: Snapshot; drill?: DrillState; connected: boolean; history: Map<string, number[]> }

const state: Live = { connected: false, history: new Map() };
const listeners = new Set<() => void>();
const changed = () => {
  for (const l of listeners) l();
};

// How many of the last snapshots a hop's small line keeps: three minutes.
const kept = 90;

function remember(s: Snapshot): void {
  for (const h of s.hops) {
    const line = state.history.get(h.name) ?? [];
    line.push(h.self ?? 0);
    if (line.length > kept) line.shift();
    state.history.set(h.name, line);
  }
}

let source: EventSource | undefined;

// A browser opens six connections to a server at most. A page that nobody sees,
// in another tab or kept for going back, must not hold one of them.
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
    // After an answer other than 200 the browser gives up; a proxy may be back soon.
    if (mine.readyState === EventSource.CLOSED && source === mine) {
      source = undefined;
      setTimeout(() => { if (document.visibilityState === "visible") open(); }, 3000);
    }
  };
  on("now", (next) => {
    // After an error the last map stays, with the reason why it stands still.
    state.now = next.error && state.now ? { ...state.now, error: next.error } : next;
    if (!next.error) remember(next);
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
