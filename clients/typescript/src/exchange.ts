/** Requests and responses about images and records, as pure functions. */
import { ServerError } from "./errors.js";
import type { ResiduumError } from "./errors.js";
import { ofItem } from "./failures.js";
import type { DecodeRequest } from "./generated/residuum/v1/DecodeRequest.js";
import type { DecodeResponse__Output } from "./generated/residuum/v1/DecodeResponse.js";
import type { EncodeRequest } from "./generated/residuum/v1/EncodeRequest.js";
import type { EncodeResponse__Output } from "./generated/residuum/v1/EncodeResponse.js";
import type { Heatmap__Output } from "./generated/residuum/v1/Heatmap.js";
import type { ItemError__Output } from "./generated/residuum/v1/ItemError.js";
import type { ModelRef } from "./generated/residuum/v1/ModelRef.js";
import type { ScoreRequest } from "./generated/residuum/v1/ScoreRequest.js";
import type { ScoreResponse__Output } from "./generated/residuum/v1/ScoreResponse.js";
import { checkImage, checkRecord, shapeOf, weightOf } from "./images.js";
import type { EncodeOptions, ScoreOptions } from "./options.js";
import type {
  Compressed,
  Heatmap,
  Image,
  ModelInfo,
  Pixels,
  Restored,
  RestoredFile,
  Score,
} from "./results.js";
import { decodeRpc, encodeRpc, scoreRpc } from "./rpcs.js";
import type { Rpc } from "./rpcs.js";

/** A result, or why there is none. */
export type Outcome<R> = R | ResiduumError;

/** One kind of call: how to check and weigh items, ask for several, and read the response. */
export interface Exchange<V, Q, A, R> {
  noun: "image" | "record";
  rpc: Rpc<Q, A>;
  check(element: unknown): V;
  shape(value: V): string;
  weigh(value: V): number;
  ask(values: V[]): Q;
  read(response: A): R[];
  /** Most items of a message. */
  items: number;
}

export type Encoding = Exchange<Image, EncodeRequest, EncodeResponse__Output, Compressed>;
export type Decoding<R> = Exchange<Uint8Array, DecodeRequest, DecodeResponse__Output, R>;
export type Scoring = Exchange<Image, ScoreRequest, ScoreResponse__Output, Score>;

const MESSAGE_ITEMS = 1024;
// Records of images of any size in one message: as many as a server restores in one call.
const RECORDS_OF_ANY_SIZE = 16;
// A record does not say how large its image is; images have 50 to 300 pixels per byte of record.
const PIXELS_PER_RECORD_BYTE = 64;

/** Compresses images. */
export function encoding(model: ModelRef, options: EncodeOptions): Encoding {
  const { evidence, ...others } = options;
  const onAnomaly = evidence ? "ON_ANOMALY_EVIDENCE" : "ON_ANOMALY_NONE";
  const ask = (images: Image[]): EncodeRequest =>
    ({ model, ...payload(images), ...others, onAnomaly, partial: true }) as EncodeRequest;
  return { ...OF_IMAGES, rpc: encodeRpc, ask, read: compressed };
}

/** Scores images. */
export function scoring(model: ModelRef, options: ScoreOptions): Scoring {
  const ask = (images: Image[]): ScoreRequest =>
    ({ model, ...payload(images), ...options, partial: true }) as ScoreRequest;
  return { ...OF_IMAGES, rpc: scoreRpc, ask, read: scores };
}

/** Restores records to pixels: those of one message must have one size. */
export function decoding(model: ModelRef, info: ModelInfo): Decoding<Restored> {
  const items = hasOneSize(info) ? MESSAGE_ITEMS : 1;
  return { ...ofRecords(model, info, "IMAGE_FORMAT_PIXELS"), items, read: restored };
}

/** Restores records to PNG files. */
export function decodingToFiles(model: ModelRef, info: ModelInfo): Decoding<RestoredFile> {
  const items = hasOneSize(info) ? MESSAGE_ITEMS : RECORDS_OF_ANY_SIZE;
  return { ...ofRecords(model, info, "IMAGE_FORMAT_PNG"), items, read: restoredFiles };
}

/** One outcome per item of a request. Throws ServerError if the response has more or fewer. */
export function outcomesOf<R>(results: R[], errors: ItemError__Output[], items: number): Outcome<R>[] {
  const failed = new Map(errors.map(({ index, code, message }) => [index, ofItem(code, message)]));
  const known = [...failed.keys()].every((index) => index < items);
  if (!known || results.length + failed.size !== items) {
    const given = `${results.length} results and ${errors.length} errors`;
    throw new ServerError(`the response has ${given} for ${items} items`);
  }
  const left = results.values();
  return Array.from({ length: items }, (_, index) => failed.get(index) ?? (left.next().value as R));
}

const OF_IMAGES = {
  noun: "image",
  check: checkImage,
  shape: shapeOf,
  weigh: weightOf,
  items: MESSAGE_ITEMS,
} as const;

function ofRecords(model: ModelRef, info: ModelInfo, format: DecodeRequest["format"] & string) {
  const weight = (info.height ?? 1) * (info.width ?? 1) * info.channels;
  return {
    noun: "record" as const,
    rpc: decodeRpc,
    check: checkRecord,
    shape: () => "",
    weigh: (record: Uint8Array) => Math.max(weight, PIXELS_PER_RECORD_BYTE * record.length),
    ask: (records: Uint8Array[]) => ({ model, records, format, partial: true }) as DecodeRequest,
  };
}

function hasOneSize(info: ModelInfo): boolean {
  return info.fit === "exact" || info.fit === "resize";
}

function payload(images: Image[]): Pick<EncodeRequest, "pixels" | "files"> {
  const pixels = images.filter((image): image is Pixels => !(image instanceof Uint8Array));
  if (pixels[0] === undefined) return { files: { files: images as Buffer[] } };
  const { width, height, channels } = pixels[0];
  const data = Buffer.concat(pixels.map((image) => bytesOf(image.data)));
  return { pixels: { count: pixels.length, height, width, channels, data } };
}

function bytesOf(data: Uint8Array | Uint8ClampedArray): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

function compressed(response: EncodeResponse__Output): Compressed[] {
  const { records, qualities, evidenceBytes } = response;
  if (qualities.length !== records.length || evidenceBytes.length !== records.length) {
    const found = `${records.length}, ${qualities.length} and ${evidenceBytes.length}`;
    throw new ServerError(`the response has lists of ${found} items, expected one length`);
  }
  return records.map((record, i) => ({
    record: new Uint8Array(record),
    quality: qualities[i] as number,
    evidenceBytes: evidenceBytes[i] as number,
  }));
}

function restored(response: DecodeResponse__Output): Restored[] {
  const { count, height, width, channels, data } = response.pixels ?? EMPTY;
  const size = height * width * channels;
  if (data.length !== count * size) {
    const shape = `${count} images of ${height} x ${width} x ${channels}`;
    throw new ServerError(`the response has ${data.length} bytes of pixels for ${shape}`);
  }
  return evidenceOf(response, count).map((evidence, i) => ({
    width,
    height,
    channels,
    data: new Uint8Array(data.subarray(i * size, (i + 1) * size)),
    evidence,
  }));
}

const EMPTY = { count: 0, height: 0, width: 0, channels: 0, data: Buffer.alloc(0) };

function restoredFiles(response: DecodeResponse__Output): RestoredFile[] {
  const files = response.files?.files ?? [];
  const evidence = evidenceOf(response, files.length);
  return files.map((file, i) => ({ file: new Uint8Array(file), evidence: evidence[i] ?? [] }));
}

function evidenceOf(response: DecodeResponse__Output, images: number) {
  if (response.evidence.length !== images) {
    const found = `${images} images, but evidence of ${response.evidence.length}`;
    throw new ServerError(`the response has ${found}`);
  }
  return response.evidence.map(({ boxes }) =>
    boxes.map(({ top, left, height, width }) => ({ top, left, height, width })),
  );
}

function scores(response: ScoreResponse__Output): Score[] {
  return response.results.map((result) => ({
    value: result.score,
    pValue: result.pValue,
    anomalous: result.anomalous,
    scores: Object.fromEntries(Object.entries(result.scores).sort(([a], [b]) => (a < b ? -1 : 1))),
    recordBytes: result.recordBytes,
    heatmapVmax: response.heatScale,
    heatmap: result.heatmap ? heatmap(result.heatmap) : undefined,
    regions: result.regions.map(({ top, left, height, width, area, score, pValue }) => ({
      box: { top, left, height, width },
      area,
      value: score,
      pValue,
    })),
  }));
}

function heatmap({ height, width, data }: Heatmap__Output): Heatmap {
  if (data.length !== 4 * height * width) {
    const found = `${data.length} bytes of heat map for ${height} x ${width}`;
    throw new ServerError(`the response has ${found}`);
  }
  const values = Float32Array.from({ length: height * width }, (_, i) => data.readFloatLE(4 * i));
  return { width, height, data: values };
}
