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

  const texts = [...needed].sort().map((name) => declarations.get(name).replace(/^export (declare )?/m, "$1"));
  const ambient = texts.map((text) => text.replace(/^(class|const|function)/m, "declare $1"));
  return `// The types of Longwire's client, built from sdk/typescript/src.\n\n${ambient.join("\n\n")}\n\nexport {\n${exported
    .sort()
    .map((name) => `  ${name},\n`)
    .join("")}};\n`;
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

/** Top-level statements, each with the comment before it: those lines that are not indented begin or end one. */
function statements(text) {
  const found = [];
  let current = [];
  let isComment = false;
  const finish = () => {
    if (current.length > 0) found.push(current.join("\n"));
    current = [];
  };
  for (const line of text.trimEnd().split("\n")) {
    const begins = /^(\/\*\*|export|import|declare|type|interface|class|const)/.test(line);
    if (begins && !isComment) finish();
    current.push(line);
    if (line.startsWith("/**")) isComment = true;
    else if (begins) isComment = false;
  }
  finish();
  return found;
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
