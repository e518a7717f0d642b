/** Options of calls and of the client: what each may be, checked before anything is sent. */
import { InvalidInput } from "./errors.js";

/**
 * Options of `encode`. At most one of `quality`, `targetBytes` and `targetPsnr` may be given; an
 * image that meets the target at no quality level fails with InvalidInput.
 */
export interface EncodeOptions {
  /** A level from 0, the coarsest, up; the default is the model's default level. */
  quality?: number | undefined;
  /** The most bytes of each record, its evidence not counted. */
  targetBytes?: number | undefined;
  /** The lowest PSNR of each image, dB. */
  targetPsnr?: number | undefined;
  /** Whether to keep the anomalous regions of anomalous images losslessly in their records. */
  evidence?: boolean | undefined;
  /** The rate of `score` at which an image counts as anomalous, in (0, 1); only with `evidence`. */
  falseAlarmRate?: number | undefined;
}

/** Options of `score`. */
export interface ScoreOptions {
  /** Fraction of normal images that may be flagged, in (0, 1); the default is the model's. */
  falseAlarmRate?: number | undefined;
  /** Whether to return a heat map for each image. */
  heatmaps?: boolean | undefined;
}

/** Options of `decode`. */
export interface DecodeOptions {
  /** Uncompressed images, the default, or PNG files. */
  format?: "pixels" | "png" | undefined;
}

const RATES = ["quality", "targetBytes", "targetPsnr"] as const;
const UINT32 = 2 ** 32 - 1;

// Whether an option is an integer, its lowest and highest value, and how an error describes them.
const LIMITS = {
  quality: [true, 0, UINT32, "a level, an integer from 0 up"],
  targetBytes: [true, 1, UINT32, "at least 1, an integer"],
  targetPsnr: [false, Number.MIN_VALUE, Number.MAX_VALUE, "decibels above 0"],
  falseAlarmRate: [false, Number.MIN_VALUE, 1 - Number.EPSILON / 2, "a number between 0 and 1"],
  timeoutSeconds: [false, Number.MIN_VALUE, 1e6, "seconds above 0, at most a million"],
  seconds: [false, Number.MIN_VALUE, 1e6, "seconds above 0, at most a million"],
} as const;

/** The options, checked. Throws InvalidInput; only the model knows its highest level. */
export function checkEncodeOptions(options: EncodeOptions): EncodeOptions {
  checkNames(options, [...RATES, "evidence", "falseAlarmRate"]);
  const given = RATES.filter((name) => options[name] !== undefined);
  if (given.length > 1) {
    throw new InvalidInput(`${given.join(" and ")} are given, expected at most one of them`);
  }
  checkFlag("evidence", options.evidence);
  if (options.falseAlarmRate !== undefined && !options.evidence) {
    throw new InvalidInput("falseAlarmRate is given without evidence");
  }
  for (const name of [...RATES, "falseAlarmRate"] as const) checkNumber(name, options[name]);
  return options;
}

/** The options, checked. Throws InvalidInput. */
export function checkScoreOptions(options: ScoreOptions): ScoreOptions {
  checkNames(options, ["falseAlarmRate", "heatmaps"]);
  checkNumber("falseAlarmRate", options.falseAlarmRate);
  checkFlag("heatmaps", options.heatmaps);
  return options;
}

/** The options, checked. Throws InvalidInput. */
export function checkDecodeOptions(options: DecodeOptions): DecodeOptions {
  checkNames(options, ["format"]);
  if (![undefined, "pixels", "png"].includes(options.format)) {
    throw new InvalidInput(`format is ${shown(options.format)}, expected "pixels" or "png"`);
  }
  return options;
}

/** Throws InvalidInput for a number that no model takes; undefined is an option left out. */
export function checkNumber(name: keyof typeof LIMITS, value: unknown): void {
  const [integer, low, high, expected] = LIMITS[name];
  if (value === undefined) return;
  const fits = typeof value === "number" && low <= value && value <= high;
  if (!fits || (integer && !Number.isInteger(value))) {
    throw new InvalidInput(`${name} is ${shown(value)}, expected ${expected}`);
  }
}

/** Throws InvalidInput for options with other names than these. */
export function checkNames(options: object, known: readonly string[]): void {
  const unknown = Object.keys(options).filter((name) => !known.includes(name));
  if (unknown.length > 0) {
    throw new InvalidInput(`unknown option ${unknown.join(", ")}; expected ${known.join(", ")}`);
  }
}

/** Throws InvalidInput for anything but a string; undefined is an option left out. */
export function checkText(name: string, value: unknown): void {
  if (value !== undefined && typeof value !== "string") {
    throw new InvalidInput(`${name} is ${shown(value)}, expected a string`);
  }
}

function checkFlag(name: string, value: unknown): void {
  if (value !== undefined && typeof value !== "boolean") {
    throw new InvalidInput(`${name} is ${shown(value)}, expected true or false`);
  }
}

/** A short value as it is written in JavaScript; the class of anything else. */
export function shown(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value).slice(0, 60);
  if (value === null || typeof value !== "object") return String(value).slice(0, 60);
  return `of type ${value.constructor?.name ?? "object"}`;
}
