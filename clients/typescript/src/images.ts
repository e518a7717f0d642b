/** What a caller gives as images and records: its checks, and how much work it is. */
import { InvalidInput } from "./errors.js";
import { shown } from "./options.js";
import type { Image } from "./results.js";

/** The image itself. Throws InvalidInput. */
export function checkImage(element: unknown): Image {
  if (element instanceof Uint8Array) return element;
  if (typeof element !== "object" || element === null || !("data" in element)) {
    throw new InvalidInput(
      `${shown(element)}; expected the bytes of an image file, or {width, height, channels, data}`,
    );
  }
  const { width, height, channels, data } = element as Record<string, unknown>;
  if (!isSide(width) || !isSide(height) || (channels !== 1 && channels !== 3)) {
    const found = [width, height, channels].map(shown).join(", ");
    throw new InvalidInput(
      `width, height and channels are ${found}; expected at least one pixel, and 1 or 3 channels`,
    );
  }
  if (!(data instanceof Uint8Array || data instanceof Uint8ClampedArray)) {
    throw new InvalidInput(`data is ${shown(data)}, expected a Uint8Array`);
  }
  const expected = width * height * channels;
  if (data.length !== expected) {
    const shape = `${height} rows, ${width} columns and ${channels} channels`;
    throw new InvalidInput(`data has ${data.length} bytes, expected ${expected} for ${shape}`);
  }
  return { width, height, channels, data };
}

/** The record itself. Throws InvalidInput. */
export function checkRecord(element: unknown): Uint8Array {
  if (element instanceof Uint8Array) return element;
  throw new InvalidInput(`${shown(element)}; expected a Uint8Array`);
}

/** Throws InvalidInput for one image or record in place of a list. */
export function checkList(elements: unknown, noun: string): void {
  const one = elements instanceof Uint8Array || typeof elements === "string";
  const many = Object(elements) as { [Symbol.iterator]?: unknown; [Symbol.asyncIterator]?: unknown };
  if (one || !(many[Symbol.iterator] || many[Symbol.asyncIterator])) {
    throw new InvalidInput(`${shown(elements)} was given; expected a list of ${noun}s`);
  }
}

/** What images have in common that go into one message: files, or pixels of one shape. */
export function shapeOf(image: Image): string {
  if (image instanceof Uint8Array) return "files";
  return `${image.height}x${image.width}x${image.channels}`;
}

/**
 * Bytes of pixels; for a file its bytes or its pixels, whichever are more: a small file may hold a
 * large image, and one message must not ask for too much work.
 */
export function weightOf(image: Image): number {
  if (!(image instanceof Uint8Array)) return image.data.length;
  return Math.max(image.length, pixelsOf(image));
}

function isSide(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) > 0;
}

/** Number of pixels by the header of a PNG or JPEG file; 0 for other files. */
function pixelsOf(file: Uint8Array): number {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  if (file.length >= 24 && view.getUint32(0) === 0x89504e47) {
    return view.getUint32(16) * view.getUint32(20);
  }
  return file.length >= 4 && view.getUint16(0) === 0xffd8 ? pixelsOfJpeg(view) : 0;
}

function pixelsOfJpeg(view: DataView): number {
  for (let at = 2; at + 9 <= view.byteLength; ) {
    const marker = view.getUint16(at);
    if (marker === 0xffff) {
      at += 1; // a filling byte
    } else if (marker >= 0xffc0 && marker <= 0xffcf && ![0xffc4, 0xffc8, 0xffcc].includes(marker)) {
      return view.getUint16(at + 5) * view.getUint16(at + 7);
    } else {
      at += 2 + view.getUint16(at + 2);
    }
  }
  return 0;
}
