import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { suite, test } from "node:test";
import { Client as GrpcClient, Metadata, credentials, status } from "@grpc/grpc-js";
import { Client, Overloaded, Unavailable } from "../src/index.js";
import { encodeRpc } from "../src/rpcs.js";
import { Gate } from "./gate.js";
import { Relay } from "./relay.js";
import { grayImages } from "./samples.js";
import { SERVER, Server, noPython, noServer } from "./servers.js";

suite("a server that", { skip: noPython }, () => {
  test("was killed and started again goes on with the same client", async () => {
    const server = await Server.start();
    const client = new Client(server.address, { model: "tiny" });
    await client.waitReady();
    const before = await client.encode(grayImages(3));
    await server.kill();
    const during = client.encode(grayImages(3));
    const next = await Server.start([], server.port);
    try {
      assert.deepEqual(await during, before);
    } finally {
      client.close();
      await next.kill();
    }
  });

  test("is busy is asked again when it wants, until the deadline", async () => {
    const server = await Server.start();
    const behind = new GrpcClient(server.address, credentials.createInsecure());
    let busy = true;
    let refused = 0;
    const gate = await Gate.start((call, done) => {
      if (!busy) {
        const { path, requestSerialize, responseDeserialize } = encodeRpc;
        behind.makeUnaryRequest(path, requestSerialize, responseDeserialize, call.request, done);
        return;
      }
      refused += 1;
      const metadata = new Metadata();
      metadata.set("grpc-retry-pushback-ms", "50");
      done({ code: status.RESOURCE_EXHAUSTED, details: "server busy", metadata });
    });
    const client = new Client(gate.address, { model: "tiny" });
    const hasty = new Client(gate.address, { model: "tiny", timeoutSeconds: 0.5 });
    try {
      await assert.rejects(hasty.encode(grayImages(2)), Overloaded);
      assert.ok(refused >= 2, `${refused} attempts`);
      const encoded = client.encode(grayImages(2));
      busy = false;
      assert.equal((await encoded).length, 2);
    } finally {
      for (const one of [behind, client, hasty, gate]) one.close();
      await server.kill();
    }
  });
});

suite("a client", () => {
  test("gives up at the deadline", { skip: noServer }, async () => {
    const relay = await Relay.to(SERVER);
    const hasty = new Client(relay.address, { model: "tiny", timeoutSeconds: 0.2 });
    const patient = new Client(relay.address, { model: "tiny" });
    try {
      await patient.waitReady();
      relay.hold();
      const message = `no answer from ${relay.address} within 0.2 s`;
      await assert.rejects(hasty.models(), { name: "DeadlineExceeded", message });
      await assert.rejects(hasty.encode(grayImages(1)), { name: "DeadlineExceeded", index: 0 });
      const encoded = patient.encode(grayImages(1));
      relay.release();
      assert.equal((await encoded).length, 1);
    } finally {
      hasty.close();
      patient.close();
      relay.close();
    }
  });

  test("says that nothing answers at an address", async () => {
    const taken = createServer().listen(0, "127.0.0.1");
    await once(taken, "listening");
    const { port } = taken.address() as AddressInfo;
    taken.close();
    await once(taken, "close");
    const client = new Client(`127.0.0.1:${port}`, { model: "tiny" });
    const sentence = `no server answers at 127.0.0.1:${port}: connection refused`;
    await assert.rejects(client.encode(grayImages(1)), { name: "Unavailable", message: sentence });
    await assert.rejects(client.waitReady(0.1), Unavailable);
    client.close();
    await assert.rejects(client.models(), { message: `the client of 127.0.0.1:${port} is closed` });
  });
});
