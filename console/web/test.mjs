// Runs test/*.test.ts with Node's own test runner, bundled by the page's bundler.
import { build } from "esbuild";
import { spawnSync } from "node:child_process";
import { readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const here = fileURLToPath(new URL(".", import.meta.url));
const out = join(here, "node_modules", ".test");
rmSync(out, { recursive: true, force: true });
await build({
  absWorkingDir: here,
  entryPoints: readdirSync(join(here, "test")).filter((f) => f.endsWith(".test.ts")).map((f) => join("test", f)),
  outdir: out,
  outExtension: { ".js": ".mjs" },
  bundle: true,
  format: "esm",
  platform: "node",
  sourcemap: "inline",
  jsx: "automatic",
  jsxImportSource: "preact",
});
const files = readdirSync(out).map((f) => join(out, f));
process.exit(spawnSync(process.execPath, ["--enable-source-maps", "--test", "--test-reporter=spec", ...files], { stdio: "inherit", env: { ...process.env, TZ: "UTC" } }).status ?? 1);
