import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { suite, test } from "node:test";
import { cut } from "../src/batches.js";
import { encoding } from "../src/exchange.js";
import { weightOf } from "../src/images.js";
import { grayImage, grayImages } from "./samples.js";
import { ROOT } from "./servers.js";

async function sizes(images: unknown[]): Promise<number[]> {
  const found = [];
  for await (const batch of cut(encoding({ name: "m" }, {}), images)) found.push(batch.count);
  return found;
}

suite("batches", () => {
  test("have at most 1024 images", async () => {
    assert.deepEqual(await sizes(grayImages(2500)), [1024, 1024, 452]);
    assert.deepEqual(await sizes([]), []);
  });

  test("have at most a megabyte, but always one image", async () => {
    const large = grayImage(0, 500, 1000);
    assert.deepEqual(await sizes([large, large, large]), [2, 1]);
    const huge = grayImage(0, 2000, 1000);
    assert.deepEqual(await sizes([huge, huge]), [1, 1]);
  });

  test("hold files together, and pixels of one shape together", async () => {
    const file = new Uint8Array(10);
    const other = grayImage(0, 8, 8);
    assert.deepEqual(await sizes([...grayImages(2), other, file, file]), [2, 1, 2]);
  });

  test("keep the place of what cannot be sent", async () => {
    const images = [grayImage(0), "wrong", grayImage(1)];
    for await (const batch of cut(encoding({ name: "m" }, {}), images)) {
      assert.deepEqual([...batch.failed.keys()], [1]);
      assert.deepEqual(batch.items.map((item) => item.index), [0, 2]);
    }
  });

  test("count the pixels of a small file with a large image", async () => {
    const png = await readFile(`${ROOT}deploy/samples/fashion/bag.png`);
    assert.equal(weightOf(png.subarray(0, 30)), 28 * 28);
    const jpeg = [0xff, 0xd8, 0xff, 0xe0, 0, 4, 1, 2, 0xff, 0xff, 0xc0, 0, 11, 8, 0, 50, 0, 40, 1, 1, 17, 0];
    assert.equal(weightOf(Uint8Array.from(jpeg)), 2000);
    assert.equal(weightOf(new Uint8Array(7)), 7);
  });
});
