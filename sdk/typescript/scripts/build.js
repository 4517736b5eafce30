// Builds dist/longwire.js and dist/longwire.d.ts, or the folder that is named as the first argument.
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { bundleDeclarations } from "./declarations.js";

const root = fileURLToPath(new URL("..", import.meta.url));
const out = process.argv[2] ?? join(root, "dist");

await build({
  absWorkingDir: root,
  entryPoints: ["src/index.ts"],
  outfile: join(out, "longwire.js"),
  bundle: true,
  format: "esm",
  platform: "neutral",
  target: "es2022",
  charset: "utf8",
  banner: { js: "// The client of Longwire's channels, built from sdk/typescript/src.\n" },
});

const declarations = mkdtempSync(join(tmpdir(), "longwire-declarations-"));
try {
  const compiler = [join(root, "node_modules/typescript/bin/tsc"), "--project", join(root, "tsconfig.build.json")];
  const options = ["--declaration", "--emitDeclarationOnly", "--outDir", declarations];
  execFileSync(process.execPath, [...compiler, ...options], { stdio: "inherit" });
  writeFileSync(join(out, "longwire.d.ts"), bundleDeclarations(join(declarations, "index.d.ts")));
} finally {
  rmSync(declarations, { recursive: true });
}
