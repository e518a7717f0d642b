/** The client. */
import { setTimeout as sleep } from "node:timers/promises";
import type { ChannelCredentials } from "@grpc/grpc-js";
import type { Elements } from "./batches.js";
import { channelCredentials, checkTarget, checkToken } from "./channel.js";
import type { Tls } from "./channel.js";
import { Connection } from "./connection.js";
import {
  DeadlineExceeded,
  InvalidInput,
  Overloaded,
  ResiduumError,
  Unavailable,
  UnknownModel,
} from "./errors.js";
import { decoding, decodingToFiles, encoding, scoring } from "./exchange.js";
import type { Outcome } from "./exchange.js";
import type { Model__Output } from "./generated/residuum/v1/Model.js";
import { checkList } from "./images.js";
import {
  checkDecodeOptions,
  checkEncodeOptions,
  checkNames,
  checkNumber,
  checkScoreOptions,
  checkText,
} from "./options.js";
import type { DecodeOptions, EncodeOptions, ScoreOptions } from "./options.js";
import type { Compressed, Image, ModelInfo, Restored, RestoredFile, Score } from "./results.js";
import { getModelRpc, healthRpc, listModelsRpc } from "./rpcs.js";
import { send } from "./sending.js";

/** Options of a client. */
export interface ClientOptions {
  /** The name of the model on the server. */
  model: string;
  /** Its version; by default the newest. */
  version?: string | undefined;
  /** Certificates, for a server that uses TLS; `{}` trusts the authorities that Node trusts. */
  tls?: Tls | undefined;
  /** Credentials of @grpc/grpc-js, in place of `tls`. */
  credentials?: ChannelCredentials | undefined;
  /** A token of the server's list. Without TLS it is only sent to this machine. */
  token?: string | undefined;
  /** Seconds per message, at most a million; 60 by default. */
  timeoutSeconds?: number | undefined;
}

/** The outcomes of a call, in order. */
export type Outcomes<R> = AsyncGenerator<Outcome<R>, void, undefined>;

const NAMES = ["model", "version", "tls", "credentials", "token", "timeoutSeconds"];
// Pause of `waitReady` before it asks again, milliseconds.
const READY_PAUSE = 200;
// What a server may say that becomes ready later.
const LATER = [Unavailable, UnknownModel, Overloaded];

/**
 * One model of a server.
 *
 * Lists are cut into messages of at most 1 MB, of which up to four are in flight. A message that is
 * refused is sent again when the server wants it, until its deadline; one that is late or fails is
 * sent again in parts, so that only the images or records that fail alone have failed.
 *
 * All methods throw ResiduumError, and so does the constructor: InvalidInput.
 */
export class Client {
  private readonly connection: Connection;
  private readonly ref: { name: string; version: string };
  private info: ModelInfo | undefined;

  /** `target` is HOST:PORT, or any gRPC name such as dns:///HOST:PORT, whose addresses take turns. */
  constructor(target: string, options: ClientOptions) {
    checkNames(options, NAMES);
    const { model, version = "", tls, credentials, token, timeoutSeconds = 60 } = options;
    if (typeof model !== "string") throw new InvalidInput("model is not given, expected a string");
    checkText("version", version);
    checkNumber("timeoutSeconds", timeoutSeconds);
    this.ref = { name: model, version };
    const channel = channelCredentials(credentials, tls);
    checkToken(token, checkTarget(target), channel);
    this.connection = new Connection(target, timeoutSeconds, channel, token);
  }

  /** Ends the calls in progress and closes the connection. Later calls throw Unavailable. */
  close(): void {
    this.connection.close();
  }

  /** The records of images, in order. Throws the error of the first that fails. */
  async encode(images: Elements<Image>, options: EncodeOptions = {}): Promise<Compressed[]> {
    return results(this.encodeEach(images, options));
  }

  /** `encode` for a list or stream of any length, with one outcome per image: result or error. */
  encodeEach(images: Elements<Image>, options: EncodeOptions = {}): Outcomes<Compressed> {
    const exchange = encoding(this.ref, checkEncodeOptions(options));
    checkList(images, "image");
    return send(this.connection, exchange, images);
  }

  /** The images of records, in order. Throws the error of the first that fails. */
  async decode(records: Elements<Uint8Array>, options?: { format?: "pixels" }): Promise<Restored[]>;
  async decode(records: Elements<Uint8Array>, options: { format: "png" }): Promise<RestoredFile[]>;
  async decode(records: Elements<Uint8Array>, options: DecodeOptions = {}): Promise<unknown[]> {
    return results(this.decodeAny(records, options));
  }

  /** `decode` for a list or stream of any length, with one outcome per record: result or error. */
  decodeEach(records: Elements<Uint8Array>, options?: { format?: "pixels" }): Outcomes<Restored>;
  decodeEach(records: Elements<Uint8Array>, options: { format: "png" }): Outcomes<RestoredFile>;
  decodeEach(records: Elements<Uint8Array>, options: DecodeOptions = {}): Outcomes<unknown> {
    return this.decodeAny(records, options);
  }

  /** How anomalous images are, in order. Throws the error of the first that fails. */
  async score(images: Elements<Image>, options: ScoreOptions = {}): Promise<Score[]> {
    return results(this.scoreEach(images, options));
  }

  /** `score` for a list or stream of any length, with one outcome per image: result or error. */
  scoreEach(images: Elements<Image>, options: ScoreOptions = {}): Outcomes<Score> {
    const exchange = scoring(this.ref, checkScoreOptions(options));
    checkList(images, "image");
    return send(this.connection, exchange, images);
  }

  /** All models that the server has loaded. */
  async models(): Promise<ModelInfo[]> {
    const response = await this.connection.call(listModelsRpc, {});
    return response.models.map(modelInfo);
  }

  /** Facts about the model of this client. Throws UnknownModel. */
  async describe(): Promise<ModelInfo> {
    const response = await this.connection.call(getModelRpc, { model: this.ref });
    return modelInfo(response.model as Model__Output);
  }

  /**
   * Waits until the server is ready and has the model. After `seconds` throws why it is not:
   * Unavailable, or UnknownModel.
   */
  async waitReady(seconds = 60): Promise<void> {
    checkNumber("seconds", seconds);
    const end = Date.now() + seconds * 1000;
    for (let reason: unknown; ; await sleep(READY_PAUSE)) {
      try {
        return await this.checkReady(Math.min(seconds, this.connection.timeoutSeconds));
      } catch (error) {
        if (error instanceof DeadlineExceeded) reason ??= new Unavailable(error.message);
        else if (LATER.some((kind) => error instanceof kind)) reason = error;
        else throw error;
      }
      if (this.connection.closed || Date.now() + READY_PAUSE >= end) throw reason;
    }
  }

  private async checkReady(seconds: number): Promise<void> {
    const limits = this.connection.limits(undefined, seconds);
    const { status: serving } = await this.connection.once(healthRpc, {}, limits);
    if (serving !== "SERVING") {
      throw new Unavailable(`${this.connection.target} is not ready: its health is ${serving}`);
    }
    await this.connection.once(getModelRpc, { model: this.ref }, limits);
  }

  private decodeAny(records: Elements<Uint8Array>, options: DecodeOptions): Outcomes<unknown> {
    const { format } = checkDecodeOptions(options);
    checkList(records, "record");
    return this.decodeLater(records, format === "png");
  }

  private async *decodeLater(records: Elements<Uint8Array>, png: boolean): Outcomes<unknown> {
    this.info ??= await this.describe();
    yield* png
      ? send(this.connection, decodingToFiles(this.ref, this.info), records)
      : send(this.connection, decoding(this.ref, this.info), records);
  }
}

/** The results alone. Throws the first error. */
async function results<R>(outcomes: Outcomes<R>): Promise<R[]> {
  const found: R[] = [];
  for await (const outcome of outcomes) {
    if (outcome instanceof ResiduumError) throw outcome;
    found.push(outcome);
  }
  return found;
}

function modelInfo(model: Model__Output): ModelInfo {
  return {
    name: model.name,
    version: model.version,
    modelId: new Uint8Array(model.modelId),
    family: model.family,
    channels: model.channels,
    height: model.height,
    width: model.width,
    fit: model.fit,
    defaultQuality: model.defaultQuality,
    qualityLevels: model.qualityLevels,
    falseAlarmRate: model.falseAlarmRate,
    falseAlarmRateBound: model.falseAlarmRateBound,
    calibrationImages: model.calibrationImages,
    provider: model.provider,
    bundleBytes: model.bundleBytes,
  };
}
