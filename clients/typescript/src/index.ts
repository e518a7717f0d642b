/** Client of Residuum: compresses images to records of a few bytes, and scores their anomalies. */
export type { Elements } from "./batches.js";
export type { Tls } from "./channel.js";
export { Client } from "./client.js";
export type { ClientOptions, Outcomes } from "./client.js";
export {
  BundleError,
  DeadlineExceeded,
  InvalidInput,
  Overloaded,
  PermissionDenied,
  RecordError,
  ResiduumError,
  ServerError,
  Unauthenticated,
  Unavailable,
  UnknownModel,
} from "./errors.js";
export type { Outcome } from "./exchange.js";
export type { DecodeOptions, EncodeOptions, ScoreOptions } from "./options.js";
export type {
  Box,
  Compressed,
  Heatmap,
  Image,
  ModelInfo,
  Pixels,
  Region,
  Restored,
  RestoredFile,
  Score,
} from "./results.js";
