import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { copyFileSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { Client, PermissionDenied, Unauthenticated } from "../src/index.js";
import { grayImages } from "./samples.js";
import { Server, noPython } from "./servers.js";

const folder = mkdtempSync(join(tmpdir(), "residuum-tls-"));
after(() => rmSync(folder, { recursive: true }));

function openssl(...words: string[]): void {
  execFileSync("openssl", words, { cwd: folder, stdio: "pipe" });
}

/** A key and a certificate, NAME.key and NAME.pem, signed by `issuer` or by itself. */
function certificate(name: string, issuer?: string): void {
  const curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  const files = ["-keyout", `${name}.key`, "-out", `${name}.pem`, "-days", "2"];
  const names = ["-subj", `/CN=${name}`, "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"];
  const by = issuer ? ["-CA", `${issuer}.pem`, "-CAkey", `${issuer}.key`] : [];
  openssl("req", "-x509", ...curve, ...files, ...names, ...by);
}

function pem(name: string): Buffer {
  return readFileSync(join(folder, name));
}

/** Puts a copy of a file in the place of another, in one step. */
function renew(from: string, to: string): void {
  copyFileSync(join(folder, from), join(folder, "new"));
  renameSync(join(folder, "new"), join(folder, to));
}

function noOpenssl(): string | false {
  const version = spawnSync("openssl", ["version"], { encoding: "utf8" }).stdout ?? "";
  return /^OpenSSL [3-9]/.test(version) ? false : "OpenSSL 3 is not installed";
}

const paths = (...words: string[]) => words.map((word) => (word.startsWith("--") ? word : join(folder, word)));
const NOT_TRUSTED = /its certificate is not trusted, or is for another name$/;
const CLOSED = /it may use TLS, or want a certificate$/;

suite("TLS", { skip: noPython || noOpenssl() }, () => {
  before(() => {
    for (const name of ["ca", "stranger"]) certificate(name);
    for (const name of ["server", "client"]) certificate(name, "ca");
    certificate("another", "stranger");
  });

  test("a server's certificate is checked, and a client's is sent", async () => {
    const flags = ["--tls-cert", "server.pem", "--tls-key", "server.key", "--client-ca", "ca.pem"];
    const server = await Server.start(paths(...flags));
    const tls = { ca: pem("ca.pem"), cert: pem("client.pem"), key: pem("client.key") };
    const client = new Client(server.address, { model: "tiny", tls });
    const stranger = new Client(server.address, { model: "tiny", tls: { ...tls, ca: pem("stranger.pem") } });
    const others = [{ ca: tls.ca }, { ca: tls.ca, cert: pem("another.pem"), key: pem("another.key") }, undefined];
    const refused = others.map((tls) => new Client(server.address, tls ? { model: "tiny", tls } : { model: "tiny" }));
    try {
      await client.waitReady();
      assert.equal((await client.encode(grayImages(2))).length, 2);
      await assert.rejects(stranger.encode(grayImages(1)), { name: "Unavailable", message: NOT_TRUSTED });
      for (const other of refused) {
        await assert.rejects(other.encode(grayImages(1)), { name: "Unavailable", message: CLOSED });
      }
    } finally {
      for (const one of [client, stranger, ...refused]) one.close();
      await server.kill();
    }
  });

  test("a certificate that is replaced counts from the next connection", async () => {
    for (const end of [".pem", ".key"]) renew(`server${end}`, `rotated${end}`);
    const server = await Server.start(paths("--tls-cert", "rotated.pem", "--tls-key", "rotated.key"));
    const connect = (ca: string) => new Client(server.address, { model: "tiny", tls: { ca: pem(ca) } });
    const first = connect("ca.pem");
    const second = connect("stranger.pem");
    try {
      assert.equal((await first.encode(grayImages(1))).length, 1);
      for (const end of [".pem", ".key"]) renew(`another${end}`, `rotated${end}`);
      assert.equal((await second.encode(grayImages(1))).length, 1);
    } finally {
      for (const one of [first, second]) one.close();
      await server.kill();
    }
  });
});

suite("tokens", { skip: noPython }, () => {
  test("a call needs a token of the server's list, as it is at that time", async () => {
    const list = join(folder, "tokens");
    const token = "c4m3r4-c4m3r4-c4m3r4-c4m3r4-c4m3r4";
    writeFileSync(list, `# who may call\ncamera data ${token}\n`, { mode: 0o600 });
    const server = await Server.start(["--tokens", list]);
    const client = new Client(server.address, { model: "tiny", token });
    const others = [undefined, "another"].map((token) => new Client(server.address, { model: "tiny", token }));
    const next = new Client(server.address, { model: "tiny", token: `${token}-2` });
    try {
      await client.waitReady();
      assert.equal((await client.encode(grayImages(2))).length, 2);
      for (const other of [...others, next]) {
        await assert.rejects(other.encode(grayImages(1)), Unauthenticated);
        await assert.rejects(other.models(), Unauthenticated);
        await assert.rejects(other.waitReady(), Unauthenticated);
      }
      writeFileSync(`${list}.new`, `camera data ${token}-2\n`, { mode: 0o600 });
      renameSync(`${list}.new`, list);
      assert.equal((await next.encode(grayImages(1))).length, 1);
      await assert.rejects(client.encode(grayImages(1)), Unauthenticated);
    } finally {
      for (const one of [client, next, ...others]) one.close();
      await server.kill();
    }
  });

  test("a data token is not enough on the admin port", async () => {
    const list = join(folder, "roles");
    const [data, admin] = ["camera", "operator"].map((name) => `${name}-0123456789-0123456789`);
    writeFileSync(list, `camera data ${data}\noperator admin ${admin}\n`, { mode: 0o600 });
    const server = await Server.start(["--tokens", list]);
    const connect = (token?: string) => new Client(server.adminAddress, { model: "tiny", token });
    const [camera, operator] = [connect(data), connect(admin)];
    try {
      await assert.rejects(camera.models(), PermissionDenied);
      assert.ok((await operator.models()).length > 0);
    } finally {
      for (const one of [camera, operator]) one.close();
      await server.kill();
    }
  });
});
