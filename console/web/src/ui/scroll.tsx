import type { ComponentChildren } from "preact";

// Scroll holds a table that may be wider than the screen. It can be reached and scrolled by
// keyboard.
export function Scroll({ name, children }: { name: string; children: ComponentChildren }) {
  return <div class="scroll" role="region" aria-label={name} tabIndex={0}>{children}</div>;
}
