// The theme follows the system until one is chosen.
export type Theme = "system" | "dark" | "light";
const key = "tenhop-theme";

export function theme(): Theme {
  const v = localStorage.getItem(key);
  return v === "dark" || v === "light" ? v : "system";
}

export const nextTheme = (t: Theme): Theme => (t === "system" ? "dark" : t === "dark" ? "light" : "system");

export function applyTheme(t: Theme): Theme {
  if (t === "system") {
    localStorage.removeItem(key);
    delete document.documentElement.dataset["theme"];
  } else {
    localStorage.setItem(key, t);
    document.documentElement.dataset["theme"] = t;
  }
  dispatchEvent(new Event("themechange"));
  return t;
}

export const colour = (name: string): string => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

// series returns one of eight colours that most people can tell apart in both themes.
export function series(i: number): string {
  return colour(`s${(i % 8) + 1}`);
}
