import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { Client, InvalidInput } from "../src/index.js";
import type { EncodeOptions, Image } from "../src/index.js";
import { grayImages } from "./samples.js";

function refused(run: () => unknown, sentence: RegExp): void {
  assert.throws(run, (error) => error instanceof InvalidInput && sentence.test(error.message));
}

suite("arguments", () => {
  const client = new Client("localhost:1", { model: "tiny" });

  test("an address is HOST:PORT or a name of gRPC", () => {
    const at = (target: unknown) => () => new Client(target as string, { model: "m" }).close();
    refused(at("http://localhost:80"), /is a URL; expected localhost:80 without http:\/\//);
    refused(at("localhost"), /has no port; expected localhost:PORT/);
    refused(at(":50051"), /has no host/);
    refused(at("::1:50051"), /needs brackets/);
    refused(at("localhost:99999"), /has the port "99999"; expected 1 to 65535/);
    refused(at("local host:1"), /odd character/);
    refused(at(undefined), /the address is undefined; expected HOST:PORT/);
    for (const good of ["[::1]:50051", "dns:///residuum:50051", "unix:/tmp/s"]) at(good)();
  });

  test("options of the client are checked", () => {
    const made = (options: object) => () => new Client("localhost:1", options as { model: string });
    refused(made({}), /model is not given/);
    refused(made({ model: "m", timeout: 1 }), /unknown option timeout; expected model, version/);
    refused(made({ model: "m", timeoutSeconds: 0 }), /timeoutSeconds is 0, expected seconds above 0/);
    refused(made({ model: "m", tls: { cert: "x" } }), /expected both or neither/);
    refused(made({ model: "m", tls: { cert: "x", key: "y" } }), /certificates of tls cannot be read/);
    refused(made({ model: "m", credentials: {} }), /credentials is of type Object/);
    refused(made({ model: "m", token: "a\nb" }), /the token is not text, or has/);
    const away = () => new Client("far.example:50051", { model: "m", token: "t0ken" });
    refused(away, /token would be sent to far.example:50051 without encryption; expected tls/);
    new Client("far.example:50051", { model: "m", token: "t0ken", tls: {} }).close();
  });

  test("options of calls are checked before anything is sent", () => {
    const each = (options: object) => () => client.encodeEach(grayImages(1), options as EncodeOptions);
    refused(each({ quality: -1 }), /quality is -1, expected a level, an integer from 0 up/);
    refused(each({ quality: 1.5 }), /quality is 1.5/);
    refused(each({ quality: 1, targetBytes: 9 }), /quality and targetBytes are given/);
    refused(each({ targetPsnr: "30" }), /targetPsnr is "30", expected decibels above 0/);
    refused(each({ falseAlarmRate: 0.1 }), /given without evidence/);
    refused(each({ evidence: 1 }), /evidence is 1, expected true or false/);
    refused(each({ level: 1 }), /unknown option level/);
    refused(() => client.scoreEach([], { falseAlarmRate: 1 }), /between 0 and 1/);
    refused(() => client.decodeEach([], { format: "jpeg" } as never), /format is "jpeg"/);
  });

  test("one image or record in place of a list is refused", () => {
    const one = new Uint8Array(9) as unknown as Image[];
    refused(() => client.encodeEach(one), /Uint8Array was given; expected a list of images/);
    refused(() => client.decodeEach(one as never), /expected a list of records/);
    refused(() => client.scoreEach(7 as never), /7 was given; expected a list of images/);
  });

  test("an image is the bytes of a file, or has a shape and as many bytes", async () => {
    const found = [];
    const wrong = [
      "photo.png",
      { width: 2, height: 2, channels: 4, data: new Uint8Array(16) },
      { width: 2, height: 2, channels: 3, data: new Uint8Array(11) },
      { width: 2, height: 2, channels: 1, data: [1, 2, 3, 4] },
    ];
    for await (const outcome of client.encodeEach(wrong as Image[])) found.push((outcome as Error).message);
    assert.deepEqual(found, [
      'image 0: "photo.png"; expected the bytes of an image file, or {width, height, channels, data}',
      "image 1: width, height and channels are 2, 2, 4; expected at least one pixel, and 1 or 3 channels",
      "image 2: data has 11 bytes, expected 12 for 2 rows, 2 columns and 3 channels",
      "image 3: data is of type Array, expected a Uint8Array",
    ]);
  });
});
