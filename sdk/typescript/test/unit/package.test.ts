// The package itself: what it exports, weighs and says.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { transformSync } from "esbuild";
import * as built from "../../dist/longwire.js";
import * as source from "../../src/index.js";
import { SOFTWARE } from "../../src/version.js";

declare const PACKAGE: string;

const read = (path: string): string => readFileSync(join(PACKAGE, path), "utf8");
const manifest = JSON.parse(read("package.json")) as Record<string, unknown>;

/** Bytes that a page loads: minified and compressed. It may shrink; to let it grow takes a reason. */
const MOST_BYTES = 14_200;

test("what is built exports what the source does", () => {
  assert.deepEqual(Object.keys(built), Object.keys(source));
});

test("it stays small", () => {
  const minified = transformSync(read("dist/longwire.js"), { minify: true, format: "esm" }).code;
  const bytes = gzipSync(minified, { level: 9 }).byteLength;
  assert.ok(bytes <= MOST_BYTES, `${bytes} bytes, at most ${MOST_BYTES}`);
});

test("it depends on nothing", () => {
  assert.equal(manifest["dependencies"], undefined);
  assert.doesNotMatch(read("dist/longwire.js"), /^import /m);
});

test("it tells servers the version that it has", () => {
  assert.equal(SOFTWARE, `longwire-typescript/${String(manifest["version"])}`);
});

test("the README shows the example that is tested", () => {
  assert.ok(read("README.md").includes(`\`\`\`js\n${read("examples/quickstart.js")}\`\`\`\n`));
});
