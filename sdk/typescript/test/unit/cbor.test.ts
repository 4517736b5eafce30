// CBOR: the examples of RFC 8949, round trips, and what is no item.

import assert from "node:assert/strict";
import { test } from "node:test";
import { decodeCbor, encodeCbor } from "../../src/codec/cbor.js";
import { ProtocolError } from "../../src/errors.js";
import { below, type Seeded, seeded } from "../support/random.js";

const bytes = (hex: string): Uint8Array => Uint8Array.from(hex.match(/../g) ?? [], (pair) => parseInt(pair, 16));
const hex = (data: Uint8Array): string => Buffer.from(data).toString("hex");

/** RFC 8949, appendix A: those that JSON has, in their preferred form. */
const EXAMPLES: readonly (readonly [unknown, string])[] = [
  [0, "00"],
  [1, "01"],
  [10, "0a"],
  [23, "17"],
  [24, "1818"],
  [25, "1819"],
  [100, "1864"],
  [1000, "1903e8"],
  [1_000_000, "1a000f4240"],
  [1_000_000_000_000, "1b000000e8d4a51000"],
  [-1, "20"],
  [-10, "29"],
  [-100, "3863"],
  [-1000, "3903e7"],
  [-0, "f98000"],
  [1.1, "fb3ff199999999999a"],
  [1.5, "f93e00"],
  [5.960464477539063e-8, "f90001"],
  [0.00006103515625, "f90400"],
  [-4.1, "fbc010666666666666"],
  [3.4028234663852886e38, "fa7f7fffff"],
  [1e300, "fb7e37e43c8800759c"],
  [false, "f4"],
  [true, "f5"],
  [null, "f6"],
  ["", "60"],
  ["a", "6161"],
  ["IETF", "6449455446"],
  ["\"\\", "62225c"],
  ["\u00fc", "62c3bc"],
  ["\u6c34", "63e6b0b4"],
  ["\ud800\udd51", "64f0908591"],
  [new Uint8Array(), "40"],
  [new Uint8Array([1, 2, 3, 4]), "4401020304"],
  [[], "80"],
  [[1, 2, 3], "83010203"],
  [[1, [2, 3], [4, 5]], "8301820203820405"],
  [Array.from({ length: 25 }, (_, index) => index + 1), "98190102030405060708090a0b0c0d0e0f101112131415161718181819"],
  [{}, "a0"],
  [{ a: 1, b: [2, 3] }, "a26161016162820203"],
  [["a", { b: "c" }], "826161a161626163"],
];

test("the examples of the RFC are written and read", () => {
  for (const [value, encoded] of EXAMPLES) {
    assert.equal(hex(encodeCbor(value)), encoded, JSON.stringify(value));
    assert.deepEqual(decodeCbor(bytes(encoded)), value, encoded);
  }
});

test("other forms are read: longer heads and floats, indefinite lengths, tags, undefined", () => {
  const forms: readonly (readonly [string, unknown])[] = [
    ["1b0000000000000001", 1],
    ["1bffffffffffffffff", 18446744073709551615],
    ["3bffffffffffffffff", -18446744073709551616],
    ["f93c00", 1],
    ["f97bff", 65504],
    ["fa47c35000", 100000],
    ["fb3ff0000000000000", 1],
    ["5f42010243030405ff", new Uint8Array([1, 2, 3, 4, 5])],
    ["7f657374726561646d696e67ff", "streaming"],
    ["9fff", []],
    ["9f018202039f0405ffff", [1, [2, 3], [4, 5]]],
    ["bf61610161629f0203ffff", { a: 1, b: [2, 3] }],
    ["c074323031332d30332d32315432303a30343a30305a", "2013-03-21T20:04:00Z"],
    ["f7", null],
  ];
  for (const [encoded, value] of forms) assert.deepEqual(decodeCbor(bytes(encoded)), value, encoded);
});

test("a key named __proto__ is a key like any other", () => {
  const read = decodeCbor(bytes("a1695f5f70726f746f5f5fa1616101")) as object;
  assert.deepEqual(Object.keys(read), ["__proto__"]);
  assert.equal(Object.getPrototypeOf(read), Object.prototype);
});

test("what is no item is refused with its place", () => {
  const broken = [
    ["", /ends in the middle/],
    ["18", /ends in the middle/],
    ["61", /ends in the middle/],
    ["5bffffffffffffffff00", /ends in the middle/],
    ["8201", /ends in the middle/],
    ["9f01", /ends in the middle/],
    ["0000", /1 bytes behind/],
    ["1c", /not well-formed/],
    ["ff", /simple value/],
    ["f0", /simple value/],
    ["a10102", /key that is no text/],
    ["5f6161ff", /another type/],
    ["61ff", /no UTF-8/],
    ["81".repeat(300) + "00", /nested/],
    ["c1".repeat(300) + "00", /nested/],
  ] as const;
  for (const [encoded, words] of broken) {
    assert.throws(() => decodeCbor(bytes(encoded)), (error: Error) => error instanceof ProtocolError && words.test(error.message), encoded);
  }
});

test("any value is read as it was written, and any cut or change of it is read or refused, never worse", () => {
  for (let seed = 1; seed <= 500; seed += 1) {
    const random = seeded(seed);
    const value = anyValue(random, 0);
    const encoded = encodeCbor(value);
    assert.deepEqual(decodeCbor(encoded), value, `seed ${seed}`);
    const damaged = encoded.slice(0, below(random, encoded.length + 1));
    if (damaged.length > 0) damaged[below(random, damaged.length)] = below(random, 256);
    try {
      decodeCbor(damaged);
    } catch (error) {
      assert.ok(error instanceof ProtocolError, `seed ${seed}: ${String(error)}`);
    }
  }
});

function anyValue(random: Seeded, depth: number): unknown {
  const kind = below(random, depth > 4 ? 6 : 8);
  switch (kind) {
    case 0:
      return [null, true, false][below(random, 3)];
    case 1:
      return below(random, 2 ** [4, 8, 16, 32, 53][below(random, 5)]!) * (random() < 0.5 ? 1 : -1) + 0;
    case 2:
      return (random() - 0.5) * 2 ** (below(random, 200) - 100);
    case 3:
      return Math.fround((random() - 0.5) * 2 ** (below(random, 40) - 20));
    case 4:
      return Array.from({ length: below(random, 30) }, () => String.fromCodePoint([97, 0xe9, 0x6c34, 0x1f600][below(random, 4)]!)).join("");
    case 5:
      return Uint8Array.from({ length: below(random, 30) }, () => below(random, 256));
    case 6:
      return Array.from({ length: below(random, 6) }, () => anyValue(random, depth + 1));
    default:
      return Object.fromEntries(Array.from({ length: below(random, 6) }, (_, index) => [`key ${index}`, anyValue(random, depth + 1)]));
  }
}
