// Writes ../dist: index.html and hashed assets, in their gzip form only. The
// same sources give the same bytes on every machine, so that CI can compare.
import { build } from "esbuild";
import { gzipSync } from "fflate";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = fileURLToPath(new URL(".", import.meta.url));
const dist = join(here, "..", "dist");

const result = await build({
  absWorkingDir: here,
  entryPoints: { app: "src/main.tsx" },
  outdir: "out", // only names: nothing is written here
  write: false,
  bundle: true,
  minify: true,
  format: "esm",
  target: ["es2022"],
  jsx: "automatic",
  jsxImportSource: "preact",
  entryNames: "assets/[name]-[hash]",
  legalComments: "none",
  metafile: true,
});

rmSync(dist, { recursive: true, force: true });
mkdirSync(join(dist, "assets"), { recursive: true });
let total = 0;
const write = (name, bytes) => {
  const packed = gzipSync(bytes, { level: 9, mtime: "1980-01-01" });
  packed[9] = 255; // the operating system: unknown
  writeFileSync(join(dist, name + ".gz"), packed);
  total += packed.length;
  console.log(`${name.padEnd(28)} ${String(bytes.length).padStart(8)} bytes, ${String(packed.length).padStart(7)} compressed`);
};
const names = {};
for (const file of result.outputFiles) {
  const name = "assets/" + basename(file.path);
  names[name.split(".").pop()] = "/" + name;
  write(name, file.contents);
}
const html = readFileSync(join(here, "index.html"), "utf8").replace("{{css}}", names.css).replace("{{js}}", names.js);
write("index.html", new TextEncoder().encode(html));
console.log(`${"total".padEnd(28)} ${" ".repeat(15)} ${String(total).padStart(7)} compressed`);
const limit = 300_000;
if (total > limit) {
  console.error(`the page is larger than ${limit} bytes`);
  process.exit(1);
}
