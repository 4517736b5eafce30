// Runs the tests of one folder below test/: `unit` by themselves, `server` against a real server.
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const root = fileURLToPath(new URL("..", import.meta.url));
const [folder = "unit", ...arguments_] = process.argv.slice(2);
const tests = readdirSync(join(root, "test", folder)).filter((name) => name.endsWith(".test.ts"));
if (tests.length === 0) throw new Error(`there is no test in test/${folder}`);

// In the package, so that what is not bundled is found.
const out = mkdtempSync(join(root, "node_modules/.tests-"));
try {
  await build({
    absWorkingDir: root,
    entryPoints: tests.map((name) => `test/${folder}/${name}`),
    outdir: out,
    outExtension: { ".js": ".mjs" },
    bundle: true,
    format: "esm",
    platform: "node",
    target: "node20",
    sourcemap: "inline",
    external: ["esbuild", "ws"],
    define: { PACKAGE: JSON.stringify(root) },
  });
  const files = tests.map((name) => join(out, name.replace(/\.ts$/, ".mjs")));
  // Node 22 and later have a WebSocket without the flag, and take the flag.
  const node = ["--enable-source-maps", "--experimental-websocket", "--no-warnings"];
  const options = [...node, "--test", "--test-reporter=spec", "--test-timeout=300000", ...arguments_];
  process.exitCode = spawnSync(process.execPath, [...options, ...files], { stdio: "inherit" }).status ?? 1;
} finally {
  rmSync(out, { recursive: true });
}
