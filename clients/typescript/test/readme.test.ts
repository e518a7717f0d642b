import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { test } from "node:test";
import ts from "typescript";
import { ROOT, SERVER, noServer } from "./servers.js";

test("the example of the README compiles and runs", { skip: noServer }, () => {
  const home = fileURLToPath(new URL("../../", import.meta.url));
  const code = /```ts\n([\s\S]*?)```/.exec(readFileSync(`${home}README.md`, "utf8"))?.[1] ?? "";
  assert.ok(code.includes('"localhost:50051"'));
  const path = `${home}dist/readme/example.ts`;
  mkdirSync(`${home}dist/readme`, { recursive: true });
  writeFileSync(path, code.replaceAll("localhost:50051", SERVER));
  const { options } = ts.convertCompilerOptionsFromJson(
    { module: "nodenext", target: "es2022", strict: true, types: ["node"], skipLibCheck: true }, home,
  );
  const program = ts.createProgram([path], options);
  const found = ts.getPreEmitDiagnostics(program).map(({ messageText }) => messageText);
  assert.deepEqual(found, []);
  program.emit();
  const printed = execFileSync(process.execPath, [path.replace(/ts$/, "js")], { cwd: ROOT, encoding: "utf8" });
  assert.match(printed, /^bag\.png \d+ bytes\ndress\.png \d+ bytes\n/);
  assert.match(printed, /p-value/);
});
