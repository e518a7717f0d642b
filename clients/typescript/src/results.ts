/** Results of the calls. */

/** An image, uncompressed. */
export interface Pixels {
  /** Columns. */
  width: number;
  /** Rows. */
  height: number;
  /** 1 (gray) or 3 (RGB). */
  channels: number;
  /** height x width x channels bytes, in this order. */
  data: Uint8Array | Uint8ClampedArray;
}

/** The bytes of an image file (PNG, JPEG, WebP, AVIF, GIF, TIFF, BMP), or an image's pixels. */
export type Image = Uint8Array | Pixels;

/** A record with its quality level, and how many of its bytes are evidence. */
export interface Compressed {
  record: Uint8Array;
  quality: number;
  evidenceBytes: number;
}

/** A rectangle of an image, in pixels; `top` and `left` are those of its first pixel. */
export interface Box {
  top: number;
  left: number;
  height: number;
  width: number;
}

/** The image of a record. In the boxes of its evidence it equals the original exactly. */
export interface Restored extends Pixels {
  data: Uint8Array;
  evidence: Box[];
}

/** The image of a record as a PNG file. */
export interface RestoredFile {
  file: Uint8Array;
  evidence: Box[];
}

/** Where an image is anomalous: one value per pixel, row by row. */
export interface Heatmap {
  width: number;
  height: number;
  /** Nats per pixel, or without unit if the manifest's `score.heatmap` names candidates. */
  data: Float32Array;
}

/**
 * A place where an image is anomalous: a box around values of the heat map that are rare in normal
 * images, or around the largest if none is.
 */
export interface Region {
  /** In pixels of the heat map, which has the size of the image unless the model resizes it. */
  box: Box;
  /** How many pixels of the box have such values. */
  area: number;
  /** The largest value of the heat map in the box, in its unit. */
  value: number;
  /** Conformal p-value of `value`, in (0, 1]; undefined if the bundle does not have it. */
  pValue: number | undefined;
}

/** How much an image differs from the images that its model was trained on. */
export interface Score {
  /** The anomaly score, without unit; the larger, the less normal. */
  value: number;
  /** (1 + number of calibration scores at least as high) / (n + 1), in (0, 1]. */
  pValue: number;
  /** Whether `pValue` is at or below the false-alarm rate. */
  anomalous: boolean;
  /** The single scores by name. */
  scores: Record<string, number>;
  /** Size of the record that the image has at the model's default quality, bytes. */
  recordBytes: number;
  /** The value of the heat map to draw in full colour; one normal image in ten reaches it. */
  heatmapVmax: number;
  /** Undefined unless it was asked for. */
  heatmap: Heatmap | undefined;
  /** Where an anomalous image is so, the hottest first; at most 100, which do not overlap. */
  regions: Region[];
}

/** Facts about one model. */
export interface ModelInfo {
  name: string;
  version: string;
  /** SHA-256 of everything that decoding depends on, 32 bytes. */
  modelId: Uint8Array;
  family: string;
  channels: number;
  /** In pixels; undefined for models that take any height. */
  height: number | undefined;
  /** In pixels; undefined for models that take any width. */
  width: number | undefined;
  /** How the model treats an image of another size: exact, resize, pad or tile. */
  fit: string;
  defaultQuality: number;
  /** The levels are 0 up to this number, exclusive. */
  qualityLevels: number;
  /** The default of `score`, in (0, 1). */
  falseAlarmRate: number;
  /** What the share of flagged normal images does not exceed with a probability of 95 %; 0 if unknown. */
  falseAlarmRateBound: number;
  /** How many held-out normal images the p-values are based on. */
  calibrationImages: number;
  /** The device of its graphs, cpu or cuda. */
  provider: string;
  /** Size of its bundle; 0 if unknown. */
  bundleBytes: number;
}
