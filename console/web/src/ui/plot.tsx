import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import { colour } from "../theme";

interface Props { options: (width: number, height: number) => uPlot.Options; data: uPlot.AlignedData; name: string; onPlot?: (u: uPlot) => void }

// Plot wraps a uPlot. It follows the size of its box and the theme. New data is
// set on the same uPlot; a new name, for other series, creates another.
export function Plot({ options, data, name, onPlot }: Props) {
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | undefined>(undefined);
  const latest = useRef(data);
  latest.current = data;
  useEffect(() => {
    const el = box.current;
    if (!el) return;
    const make = () => {
      plot.current?.destroy();
      el.replaceChildren();
      const u = new uPlot(options(Math.max(40, el.clientWidth), Math.max(40, el.clientHeight)), latest.current, el);
      plot.current = u;
      onPlot?.(u);
    };
    make();
    const seen = new ResizeObserver(() => plot.current?.setSize({ width: Math.max(40, el.clientWidth), height: Math.max(40, el.clientHeight) }));
    seen.observe(el);
    addEventListener("themechange", make);
    return () => {
      seen.disconnect();
      removeEventListener("themechange", make);
      plot.current?.destroy();
      plot.current = undefined;
    };
  }, [name]);
  useEffect(() => plot.current?.setData(data), [data]);
  return <div class="plot" ref={box} />;
}

// axes returns axes in the page's colours; values formats a number.
export function axes(values: (v: number) => string, width = 58): uPlot.Axis[] {
  const look = { stroke: () => colour("dim"), font: "11px " + getComputedStyle(document.body).fontFamily, grid: { stroke: () => colour("line"), width: 1 }, ticks: { show: false } };
  return [
    { ...look, grid: { show: false }, size: 24, space: 70,
      values: (_u, at) => at.map((t) => new Date(t * 1000).toLocaleTimeString([], { hour12: false, ...(span(at) > 3 * 3600 ? { hour: "2-digit", minute: "2-digit" } : {}) })) },
    { ...look, size: width, space: 28, values: (_u, at) => at.map(values) },
  ];
}

const span = (at: number[]): number => (at.length > 1 ? at[at.length - 1]! - at[0]! : 0);
