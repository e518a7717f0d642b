/** The methods of the server, from the generated descriptor of the protocol. */
import { loadPackageDefinition } from "@grpc/grpc-js";
import { fromJSON } from "@grpc/proto-loader";
import type { MessageTypeDefinition } from "@grpc/proto-loader";
import type { ProtoGrpcType as Anomaly } from "./generated/anomaly.js";
import type { ProtoGrpcType as Codec } from "./generated/codec.js";
import { descriptor } from "./generated/descriptor.js";
import type { RetryInfo, RetryInfo__Output } from "./generated/google/rpc/RetryInfo.js";
import type { Status__Output } from "./generated/google/rpc/Status.js";
import type { ProtoGrpcType as Health } from "./generated/health.js";
import type { ProtoGrpcType as Models } from "./generated/models.js";

/** A method that takes a request `Q` and returns a response `A`. */
export interface Rpc<Q, A> {
  path: string;
  requestSerialize(request: Q): Buffer;
  responseDeserialize(data: Buffer): A;
}

// The same as those of scripts/generate.mjs.
const OPTIONS = { longs: Number, enums: String, defaults: true, oneofs: true } as const;

interface Details {
  google: { rpc: { RetryInfo: MessageTypeDefinition<RetryInfo, RetryInfo__Output> } };
}

const definition = fromJSON(descriptor as Parameters<typeof fromJSON>[0], OPTIONS);
const loaded = loadPackageDefinition(definition) as unknown as Anomaly & Codec & Health & Models & Details;
const { CodecService, AnomalyService, ModelService } = loaded.residuum.v1;

export const encodeRpc = CodecService.service.Encode;
export const decodeRpc = CodecService.service.Decode;
export const scoreRpc = AnomalyService.service.Score;
export const listModelsRpc = ModelService.service.ListModels;
export const getModelRpc = ModelService.service.GetModel;
export const healthRpc = loaded.grpc.health.v1.Health.service.Check;

/** The status in the metadata `grpc-status-details-bin`. Throws if it is damaged. */
export function parseStatus(data: Buffer): Status__Output {
  return loaded.google.rpc.Status.deserialize(data);
}

/** The message in the details of a status. Throws if it is damaged. */
export function parseRetryInfo(data: Buffer): RetryInfo__Output {
  return loaded.google.rpc.RetryInfo.deserialize(data);
}
