// Widths of text before it is drawn. They are estimates for a wide sans-serif
// font: the page has no font of its own, and names must fit in any of them.
const narrow = /[iljtfrI.,:;'|!()[\]{}/\\ -]/;
const wide = /[mwMW@%]/;

// textWidth returns the width of a line in bold type, in the unit of size.
export function textWidth(text: string, size: number): number {
  let ems = 0;
  for (const c of text) ems += narrow.test(c) ? 0.46 : wide.test(c) ? 1.06 : /[A-Z]/.test(c) ? 0.8 : c > "\u2e7f" ? 1.05 : 0.7;
  return ems * size;
}

// clip shortens a name that is wider than room: its middle goes, since names of
// services differ at the start or at the end.
export function clip(name: string, room: number, size: number): string {
  if (textWidth(name, size) <= room) return name;
  const c = [...name];
  for (let kept = c.length - 1; kept > 2; kept--) {
    const head = Math.ceil(kept * 0.6);
    const text = `${c.slice(0, head).join("")}…${c.slice(c.length - (kept - head)).join("")}`;
    if (textWidth(text, size) <= room) return text;
  }
  return `${c[0] ?? ""}…`;
}
