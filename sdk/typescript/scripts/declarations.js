// One file of declarations from those that the compiler wrote for each module: what is exported, and what that needs.
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";

/** The text of the bundle. Names of declarations must differ between modules. */
export function bundleDeclarations(entry) {
  const declarations = new Map();
  const exported = [];
  collect(entry, declarations, exported, new Set());

  const needed = new Set();
  const need = (name) => {
    const text = declarations.get(name);
    if (text === undefined || needed.has(name)) return;
    needed.add(name);
    for (const word of withoutComments(text).match(/[A-Za-z_$][\w$]*/g) ?? []) need(word);
  };
  for (const name of exported) need(name);

  const texts = [...needed].sort().map((name) => declarations.get(name).replace(/^export /m, ""));
  const exports = exported.sort().map((name) => `  ${name},`);
  return [HEAD, ...texts, ["export {", ...exports, "};\n"].join("\n")].join("\n\n").replace(/ +$/gm, "");
}

/** Reads a module, and the modules that it imports or exports from. */
function collect(file, declarations, exported, seen) {
  if (seen.has(file)) return;
  seen.add(file);
  const isEntry = seen.size === 1;
  for (const statement of statements(readFileSync(file, "utf8"))) {
    const from = statement.match(/ from "(.*)\.js";$/m)?.[1];
    if (from !== undefined) {
      if (isEntry) exported.push(...names(statement));
      collect(join(dirname(file), `${from}.d.ts`), declarations, exported, seen);
      continue;
    }
    const name = statement.match(/^(?:export )?(?:declare )?(?:abstract )?(?:class|interface|type|const|function) ([\w$]+)/m)?.[1];
    if (name === undefined) continue;
    if (declarations.has(name)) throw new Error(`two modules declare ${name}: rename one of them`);
    declarations.set(name, statement);
  }
}

/** Top-level statements, each with the comment before it. Comments within a type may stand at the line's beginning too. */
function statements(text) {
  const found = [];
  let current = [];
  let comment = [];
  let isComment = false;
  for (const line of text.trimEnd().split("\n")) {
    isComment ||= line.startsWith("/**");
    if (isComment) {
      comment.push(line);
      isComment = !line.endsWith("*/");
      continue;
    }
    if (/^(export|import|declare|type|interface|class|const)\b/.test(line)) {
      if (current.length > 0) found.push(current.join("\n"));
      current = [];
    }
    current.push(...comment, line);
    comment = [];
  }
  return [...found, current.join("\n")];
}

function names(statement) {
  return statement
    .slice(statement.indexOf("{") + 1, statement.indexOf("}"))
    .split(",")
    .map((name) => name.replace(/\btype /, "").trim())
    .filter((name) => name !== "");
}

function withoutComments(text) {
  return text.replace(/\/\*[\s\S]*?\*\//g, "");
}

const HEAD = "// The types of Longwire's client, built from sdk/typescript/src.";
