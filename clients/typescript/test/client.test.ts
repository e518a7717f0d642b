import assert from "node:assert/strict";
import { after, suite, test } from "node:test";
import {
  Client,
  InvalidInput,
  RecordError,
  ResiduumError,
  UnknownModel,
} from "../src/index.js";
import type { Compressed, Image } from "../src/index.js";
import { grayImage, grayImages } from "./samples.js";
import { SERVER, noServer } from "./servers.js";

suite("a client", { skip: noServer }, () => {
  const client = new Client(SERVER || "localhost:1", { model: "tiny" });
  const maps = new Client(SERVER || "localhost:1", { model: "tiny-map" });
  after(() => {
    client.close();
    maps.close();
  });

  test("encodes images to records and decodes these to images", async () => {
    const images = grayImages(5);
    const compressed = await client.encode(images);
    assert.deepEqual(compressed.map((one) => one.quality), [8, 8, 8, 8, 8]);
    assert.ok(compressed.every((one) => one.record.length < 40 && one.evidenceBytes === 0));
    const restored = await client.decode(compressed.map((one) => one.record));
    assert.equal(restored.length, 5);
    for (const { width, height, channels, data, evidence } of restored) {
      assert.deepEqual([width, height, channels, data.length], [16, 16, 1, 256]);
      assert.deepEqual(evidence, []);
    }
    assert.deepEqual(await client.encode([]), []);
  });

  test("takes a quality level, a target size or a target PSNR", async () => {
    const images = grayImages(2);
    assert.deepEqual((await client.encode(images, { quality: 0 })).map((one) => one.quality), [0, 0]);
    const small = await client.encode(images, { targetBytes: 12 });
    assert.ok(small.every((one) => one.record.length <= 12));
    const coarse = await client.encode(images, { targetPsnr: 1 });
    assert.ok(coarse.every((one) => one.quality === 0));
  });

  test("keeps evidence that is restored exactly", async () => {
    const image = grayImage(1);
    const [one] = await client.encode([image], { evidence: true, falseAlarmRate: 0.9 });
    assert.ok(one && one.evidenceBytes > 0);
    const [restored] = await client.decode([one.record]);
    assert.ok(restored && restored.evidence.length > 0);
    for (const { top, left, height, width } of restored.evidence) {
      for (let row = top; row < top + height; row += 1) {
        const [start, end] = [row * 16 + left, row * 16 + left + width];
        assert.deepEqual(restored.data.slice(start, end), image.data.slice(start, end));
      }
    }
  });

  test("takes image files, and gives PNG files", async () => {
    const records = (await client.encode(grayImages(3))).map((one) => one.record);
    const files = await client.decode(records, { format: "png" });
    const restored = await client.decode(records);
    const again = await client.encode(files.map(({ file }) => file));
    assert.deepEqual(again, await client.encode(restored));
  });

  test("takes images of several sizes, and files among them, in their order", async () => {
    const sizes = [[16, 16], [24, 20], [24, 20], [17, 33]] as const;
    const images: Image[] = sizes.map(([height, width], seed) => grayImage(seed, height, width));
    const records = (await maps.encode(images)).map((one) => one.record);
    const restored = await maps.decode(records);
    assert.deepEqual(restored.map((one) => [one.height, one.width]), sizes);
    const files = await maps.decode(records, { format: "png" });
    const mixed = images.flatMap((image, i) => [image, files[i]?.file as Uint8Array]);
    const scores = await maps.score(mixed);
    const alone = await maps.score(images);
    assert.deepEqual(scores.filter((_, i) => i % 2 === 0), alone);
  });

  test("scores images with heat maps and regions", async () => {
    const [score] = await client.score([grayImage(3)], { falseAlarmRate: 0.9, heatmaps: true });
    assert.ok(score && score.pValue > 0 && score.pValue <= 1);
    assert.equal(score.anomalous, score.pValue <= 0.9);
    assert.ok(Number.isFinite(score.value) && score.recordBytes > 0);
    assert.ok(Object.keys(score.scores).length > 1);
    assert.deepEqual([score.heatmap?.width, score.heatmap?.height], [16, 16]);
    const region = score.regions[0];
    assert.ok(region && region.box.width > 0 && region.area > 0);
    assert.ok(Math.abs(Math.max(...(score.heatmap?.data ?? [])) - region.value) < 1e-5);
    const [plain] = await client.score([grayImage(3)]);
    assert.equal(plain?.heatmap, undefined);
  });

  test("sends a long list in several messages, with the results in order", async () => {
    const images = grayImages(5000);
    const scores = await client.score(images);
    assert.equal(scores.length, 5000);
    for (const i of [0, 1023, 1024, 4999]) {
      assert.deepEqual([scores[i]], await client.score([images[i] as Image]));
    }
  });

  test("takes a stream of images, and stops when the caller does", async () => {
    let taken = 0;
    async function* stream() {
      for (; ; taken += 1) yield grayImage(taken % 10);
    }
    let outcomes = 0;
    for await (const outcome of client.encodeEach(stream())) {
      assert.ok(!(outcome instanceof ResiduumError));
      outcomes += 1;
      if (outcomes === 2000) break;
    }
    assert.ok(taken < 8 * 1024, `${taken} images were taken`);
  });

  test("gives the result or the error of each image", async () => {
    const [good, other] = grayImages(2) as [Image, Image];
    const damaged = new Uint8Array([1, 2, 3]);
    const wrong = { ...grayImage(0), channels: 4 } as Image;
    const large = grayImage(0, 20, 20);
    const outcomes = [];
    for await (const outcome of client.encodeEach([good, damaged, wrong, large, other])) outcomes.push(outcome);
    const records = (await client.encode([good, other])).map((one) => one.record);
    assert.deepEqual((outcomes[0] as Compressed).record, records[0]);
    assert.deepEqual((outcomes[4] as Compressed).record, records[1]);
    for (const index of [1, 2, 3]) {
      const error = outcomes[index] as InvalidInput;
      assert.ok(error instanceof InvalidInput, String(error));
      assert.equal(error.index, index);
      assert.equal(error.message, `image ${index}: ${error.reason}`);
    }
    await assert.rejects(client.encode([good, damaged]), { name: "InvalidInput", index: 1 });
  });

  test("gives the result or the error of each record", async () => {
    const [one] = await client.encode([grayImage(0)]);
    const record = one?.record as Uint8Array;
    const outcomes = [];
    for await (const outcome of client.decodeEach([record.slice(0, 4), record])) outcomes.push(outcome);
    assert.ok(outcomes[0] instanceof RecordError && outcomes[0].index === 0);
    assert.ok(!(outcomes[1] instanceof ResiduumError));
  });

  test("lists models, and knows its own", async () => {
    const models = await client.models();
    assert.ok(models.some((model) => model.name === "tiny-map" && model.height === undefined));
    const info = await client.describe();
    assert.deepEqual([info.name, info.height, info.width, info.channels], ["tiny", 16, 16, 1]);
    assert.equal(info.modelId.length, 32);
  });

  test("waits until the server has its model", async () => {
    await client.waitReady(30);
    const other = new Client(SERVER, { model: "gone" });
    await assert.rejects(other.waitReady(0.1), UnknownModel);
    await assert.rejects(other.encode(grayImages(1)), UnknownModel);
    other.close();
  });
});
