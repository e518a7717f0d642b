import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { Metadata, status } from "@grpc/grpc-js";
import { Overloaded, PermissionDenied, ServerError, Unauthenticated } from "../src/index.js";
import { fromRpc, ofItem, retryDelay } from "../src/failures.js";

function failed(code: status, details: string, metadata = new Metadata()) {
  const failure = Object.assign(new Error(details), { code, details, metadata });
  return fromRpc(failure, { target: "host:1", seconds: 5, items: 2 });
}

suite("failures", () => {
  test("a busy server says when it wants to be asked again", () => {
    const metadata = new Metadata();
    metadata.set("grpc-retry-pushback-ms", "1500");
    const error = failed(status.RESOURCE_EXHAUSTED, "server busy", metadata).at("image", 7);
    assert.ok(error instanceof Overloaded);
    assert.deepEqual([error.retryDelaySeconds, error.index, error.message], [1.5, 7, "image 7: server busy"]);
    metadata.set("grpc-retry-pushback-ms", "-1");
    assert.equal(retryDelay(metadata), Infinity);
    assert.equal(retryDelay(new Metadata()), undefined);
  });

  test("the delay is also read from the details of the status", () => {
    const delay = Buffer.from("0a0508021080cab5ee01".slice(4), "hex"); // 2 s and 500,000,000 ns
    const info = Buffer.concat([Buffer.from([0x0a, delay.length]), delay]);
    const type = Buffer.from("type.googleapis.com/google.rpc.RetryInfo");
    const any = Buffer.concat([Buffer.from([0x0a, type.length]), type, Buffer.from([0x12, info.length]), info]);
    const metadata = new Metadata();
    metadata.set("grpc-status-details-bin", Buffer.concat([Buffer.from([0x08, 8, 0x1a, any.length]), any]));
    assert.equal(retryDelay(metadata), 2.5);
    metadata.set("grpc-status-details-bin", Buffer.from([0xff, 0xff]));
    assert.equal(retryDelay(metadata), undefined);
  });

  test("each status has its class, and its sentence has no internals of gRPC", () => {
    assert.ok(failed(status.UNAUTHENTICATED, "a token is missing") instanceof Unauthenticated);
    assert.ok(failed(status.PERMISSION_DENIED, "not with this token") instanceof PermissionDenied);
    const refused = "No connection established. Last error: Error: connect ECONNREFUSED 127.0.0.1:1. Resolution note: ";
    assert.equal(failed(status.UNAVAILABLE, refused).message, "no server answers at host:1: connection refused");
    const found = failed(status.RESOURCE_EXHAUSTED, "SERVER: Received message larger than max (9 vs. 4)");
    assert.equal(`${found}`, "InvalidInput: a message has 9 bytes, expected at most 4");
    assert.equal(`${failed(status.INTERNAL, "oops")}`, "ServerError: host:1 failed with INTERNAL: oops");
    assert.equal(failed(status.INVALID_ARGUMENT, "record 3: is cut short").reason, "is cut short");
  });

  test("an item of a status without a class is an error of the server", () => {
    assert.ok(ofItem(13, "") instanceof ServerError);
    assert.equal(ofItem(13, "").message, "failed with the status 13");
  });
});
