import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, suite, test } from "node:test";
import { Client, Unauthenticated } from "../src/index.js";
import { grayImages } from "./samples.js";
import { Server, lacks } from "./servers.js";

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

function noOpenssl(): string | false {
  const version = spawnSync("openssl", ["version"], { encoding: "utf8" }).stdout ?? "";
  return /^OpenSSL [3-9]/.test(version) ? false : "OpenSSL 3 is not installed";
}

suite("TLS", { skip: lacks("--tls-cert") || noOpenssl() }, () => {
  const paths = (...words: string[]) => words.map((word) => (word.startsWith("--") ? word : join(folder, word)));

  test("a server's certificate is checked, and a client's is sent", async () => {
    for (const name of ["ca", "stranger"]) certificate(name);
    for (const name of ["server", "client"]) certificate(name, "ca");
    const flags = ["--tls-cert", "server.pem", "--tls-key", "server.key", "--client-ca", "ca.pem"];
    const server = await Server.start(paths(...flags));
    const tls = { ca: pem("ca.pem"), cert: pem("client.pem"), key: pem("client.key") };
    const client = new Client(server.address, { model: "tiny", tls });
    const stranger = new Client(server.address, { model: "tiny", tls: { ...tls, ca: pem("stranger.pem") } });
    const nobody = new Client(server.address, { model: "tiny", tls: { ca: tls.ca } });
    const plain = new Client(server.address, { model: "tiny" });
    try {
      await client.waitReady();
      assert.equal((await client.encode(grayImages(2))).length, 2);
      const sentence = /its certificate is not trusted, or is for another name$/;
      await assert.rejects(stranger.encode(grayImages(1)), { name: "Unavailable", message: sentence });
      for (const other of [nobody, plain]) {
        await assert.rejects(other.encode(grayImages(1)), /it may use TLS, or want a certificate$/);
      }
    } finally {
      for (const one of [client, stranger, nobody, plain]) one.close();
      await server.kill();
    }
  });
});

suite("tokens", { skip: lacks("--tokens") }, () => {
  test("a call needs a token of the server's list", async () => {
    const list = join(folder, "tokens");
    writeFileSync(list, "# who may call\ncamera data c4m3r4-c4m3r4-c4m3r4-c4m3r4-c4m3r4\n", { mode: 0o600 });
    const server = await Server.start(["--tokens", list]);
    const token = "c4m3r4-c4m3r4-c4m3r4-c4m3r4-c4m3r4";
    const client = new Client(server.address, { model: "tiny", token });
    const others = [undefined, "another"].map((token) => new Client(server.address, { model: "tiny", token }));
    try {
      await client.waitReady();
      assert.equal((await client.encode(grayImages(2))).length, 2);
      for (const other of others) {
        await assert.rejects(other.encode(grayImages(1)), Unauthenticated);
        await assert.rejects(other.models(), Unauthenticated);
      }
    } finally {
      for (const one of [client, ...others]) one.close();
      await server.kill();
    }
  });
});
