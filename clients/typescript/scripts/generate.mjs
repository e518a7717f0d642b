// Generates src/generated from the .proto files: types of messages, and a descriptor that is loaded
// at run time. `npm run generate` runs it after a change of the protocol.
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import protobuf from "protobufjs";

const HERE = join(dirname(fileURLToPath(import.meta.url)), "..");
const OURS = join(HERE, "..", "..", "protos");
const OUT = join(HERE, "src", "generated");
// Its files of other projects are in third_party.
const INCLUDED = [OURS, join(HERE, "third_party")];
const SOURCES = readdirSync(join(OURS, "residuum", "v1")).filter((name) => name.endsWith(".proto"));
const FILES = [
  ...SOURCES.map((name) => `residuum/v1/${name}`),
  "google/rpc/error_details.proto",
  "google/rpc/status.proto",
  "grpc/health/v1/health.proto",
];

rmSync(OUT, { recursive: true, force: true });
writeTypes();
writeDescriptor();

/** Writes an interface per message. The options are those of src/rpcs.ts. */
function writeTypes() {
  const loader = createRequire(import.meta.url).resolve("@grpc/proto-loader/package.json");
  const tool = join(dirname(loader), "build", "bin", "proto-loader-gen-types.js");
  const options = ["--longs=Number", "--enums=String", "--defaults", "--oneofs"];
  const places = ["--importFileExtension=.js", `--outDir=${OUT}`, "--includeDirs", ...INCLUDED];
  const command = [tool, ...FILES, "--grpcLib=@grpc/grpc-js", ...options, ...places];
  execFileSync(process.execPath, command);
  for (const name of readdirSync(OUT, { recursive: true }).filter((name) => name.endsWith(".ts"))) {
    const path = join(OUT, name);
    const text = readFileSync(path, "utf8");
    if (text.includes("ProtoGrpcType") && !text.includes(" service: ")) {
      rmSync(path); // a list of messages, with definitions that it does not use
      continue;
    }
    // The tool writes where the .proto is on this machine.
    writeFileSync(path, text.replace(/^\/\/ Original file: .*\n+/gm, "").replace(/ +$/gm, ""));
  }
}

/** Writes the whole protocol in the JSON of protobufjs, with the SHA-256 of our .proto files. */
function writeDescriptor() {
  const root = new protobuf.Root();
  root.resolvePath = (_, path) =>
    INCLUDED.map((folder) => join(folder, path)).find(existsSync) ?? path;
  root.loadSync(FILES, { keepCase: false });
  const sums = SOURCES.map((name) => {
    const text = readFileSync(join(OURS, "residuum", "v1", name));
    return `// Generated from ${name}, SHA-256 ${createHash("sha256").update(text).digest("hex")}\n`;
  });
  const value = `export const descriptor: object = ${JSON.stringify(root, null, 1)};\n`;
  writeFileSync(join(OUT, "descriptor.ts"), sums.join("") + value);
}
