/** Images of the tests. */
import type { Pixels } from "../src/index.js";

/** Noise with a bright rectangle, the same for the same seed. */
export function grayImage(seed: number, height = 16, width = 16): Pixels {
  let state = seed + 1;
  const data = Uint8Array.from({ length: height * width }, (_, i) => {
    state = (state * 48271) % 2147483647;
    const [row, column] = [Math.floor(i / width), i % width];
    const bright = row >= height / 4 && row < height / 2 && column >= width / 4 && column < width / 2;
    return bright ? 200 : state % 60;
  });
  return { width, height, channels: 1, data };
}

/** Several of them. */
export function grayImages(count: number): Pixels[] {
  return Array.from({ length: count }, (_, seed) => grayImage(seed));
}
