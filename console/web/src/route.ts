import { useEffect, useState } from "preact/hooks";

export interface Place { path: string; query: URLSearchParams }

const listeners = new Set<() => void>();
const here = (): Place => ({ path: location.pathname, query: new URLSearchParams(location.search) });

export function go(url: string, replace = false): void {
  if (replace) history.replaceState(null, "", url);
  else history.pushState(null, "", url);
  for (const l of listeners) l();
  if (!replace) window.scrollTo(0, 0);
}

addEventListener("popstate", () => {
  for (const l of listeners) l();
});

// A plain click on a link within the page changes the view without loading it again.
addEventListener("click", (e) => {
  if (e.defaultPrevented || e.button !== 0 || e.metaKey || e.ctrlKey || e.shiftKey || e.altKey) return;
  const a = (e.target as Element | null)?.closest?.("a");
  if (!a || a.target === "_blank" || a.origin !== location.origin || a.hasAttribute("download")) return;
  if (a.pathname.startsWith("/api/")) return;
  e.preventDefault();
  go(a.pathname + a.search + a.hash);
});

export function usePlace(): Place {
  const [place, set] = useState(here);
  useEffect(() => {
    const l = () => set(here());
    listeners.add(l);
    return () => void listeners.delete(l);
  }, []);
  return place;
}
