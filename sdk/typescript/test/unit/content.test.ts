// What an application may publish, and how it becomes JSON.

import assert from "node:assert/strict";
import { test } from "node:test";
import { bytesOf, jsonOf } from "../../src/protocol/json.js";

test("a copy is what JSON.stringify makes", () => {
  const values: unknown[] = [
    null,
    "text",
    -0.5,
    NaN,
    { a: undefined, b: () => 1, c: [undefined, Symbol("x"), Infinity], d: new Date(0) },
    [new Map([[1, 2]]), new Number(5), new String("s"), new Boolean(false)],
    { toJSON: (key: string) => ({ key }) },
    Object.create({ inherited: 1 }),
  ];
  for (const value of values) assert.deepEqual(jsonOf(value), JSON.parse(JSON.stringify(value)));
});

test("lone surrogates, which UTF-8 does not have, are replaced in texts and keys", () => {
  assert.deepEqual(jsonOf({ "\ud800": "a\udc00b \u{1f600}" }), { "\ufffd": "a\ufffdb \u{1f600}" });
});

test("128 levels are taken, one more is not", () => {
  const nested = (depth: number): unknown => (depth === 0 ? 1 : [nested(depth - 1)]);
  assert.deepEqual(jsonOf(nested(128)), nested(128));
  assert.throws(() => jsonOf(nested(129)), /nested more than 128 deep, or in a circle/);
});

test("a key named __proto__ is a key like any other", () => {
  const copy = jsonOf(JSON.parse('{"__proto__":{"a":1}}')) as object;
  assert.deepEqual(Object.keys(copy), ["__proto__"]);
});

test("bytes are copied from a buffer or any view of one", () => {
  const buffer = new Uint8Array([1, 2, 3, 4]).buffer;
  const view = new DataView(buffer, 1, 2);
  const copy = bytesOf(view);
  assert.deepEqual(copy, new Uint8Array([2, 3]));
  view.setUint8(0, 9);
  assert.deepEqual(copy, new Uint8Array([2, 3]));
  assert.deepEqual(bytesOf(buffer), new Uint8Array([1, 9, 3, 4]));
  assert.deepEqual(bytesOf(Buffer.from("ab")), new Uint8Array([97, 98]));
  assert.equal(bytesOf([1, 2]), undefined);
});
