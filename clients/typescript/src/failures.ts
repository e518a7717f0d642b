/** Failed calls: the error of each status of gRPC, with a finished sentence. */
import { status } from "@grpc/grpc-js";
import type { Metadata, ServiceError } from "@grpc/grpc-js";
import {
  BundleError,
  DeadlineExceeded,
  InvalidInput,
  Overloaded,
  PermissionDenied,
  RecordError,
  ServerError,
  Unauthenticated,
  Unavailable,
  UnknownModel,
  fromSentence,
} from "./errors.js";
import type { ErrorKind, ResiduumError } from "./errors.js";
import { parseRetryInfo, parseStatus } from "./rpcs.js";

const BY_STATUS = new Map<number, ErrorKind>([
  [status.INVALID_ARGUMENT, InvalidInput],
  [status.DATA_LOSS, RecordError],
  [status.NOT_FOUND, UnknownModel],
  [status.FAILED_PRECONDITION, BundleError],
  [status.RESOURCE_EXHAUSTED, Overloaded],
  [status.UNAVAILABLE, Unavailable],
  [status.CANCELLED, Unavailable], // by a server that is being stopped; not by this client
  [status.DEADLINE_EXCEEDED, DeadlineExceeded],
  [status.UNAUTHENTICATED, Unauthenticated],
  [status.PERMISSION_DENIED, PermissionDenied],
]);
const OF_EVERY_CALL = [UnknownModel, BundleError, Unauthenticated, PermissionDenied];
// Sentences of gRPC itself, not of the server.
const TRANSPORT = new RegExp(
  "No connection|Name resolution|DNS address|Connection dropped|refused by server|Write failed" +
    "|ECONN|EPIPE|ERR_|GOAWAY|RST_STREAM|Subchannel|proxy",
  "i",
);
// Parts of these sentences, the first that is found, and what they mean.
const REASONS: [RegExp, string][] = [
  [/name resolution|DNS|ENOTFOUND|EAI_AGAIN/i, "the name is unknown"],
  [/ECONNREFUSED/, "connection refused"],
  [/ENOENT/, "there is no such socket"],
  [/EHOSTUNREACH|ENETUNREACH/, "the network is unreachable"],
  [/ETIMEDOUT|timeout/i, "the connection timed out"],
  [/wrong version number|packet length too long/i, "it uses no TLS; leave out tls"],
  [
    /altnames|self.signed|verify|unable to get.*issuer|CERT_/i,
    "its certificate is not trusted, or is for another name",
  ],
  [/certificate|handshake|SSL|TLS/i, "the TLS handshake failed"],
  [/Failed to connect/, "it closed the connection; it may use TLS, or want a certificate"],
  [/(?:)/, "the connection was lost"],
];
const TOO_LARGE = /larger than max \(?(\d+) vs\.? (\d+)/;

/** Where a call went, for its error: address, seconds until its deadline, images or records. */
export interface Place {
  target: string;
  seconds: number;
  items: number;
}

/** The error of a failed call. */
export function fromRpc(failure: ServiceError, place: Place): ResiduumError {
  const { target, seconds, items } = place;
  const { code, details, metadata } = failure;
  const cause = failure;
  const Kind = BY_STATUS.get(code) ?? ServerError;
  const sizes = TOO_LARGE.exec(details);
  if (Kind === Overloaded && sizes) {
    // gRPC reports it as overload, but it would fail again; with one image, that one is to blame.
    const [, size, limit] = sizes;
    const sentence = `a message has ${size} bytes, expected at most ${limit}`;
    return new InvalidInput(sentence, { cause, index: items === 1 ? 0 : undefined });
  }
  if (Kind === Unavailable && TRANSPORT.test(details)) {
    return new Unavailable(`no server answers at ${target}: ${reasonOf(details)}`, { cause });
  }
  if (Kind === DeadlineExceeded && /^(?:Deadline exceeded|$)/i.test(details)) {
    return new DeadlineExceeded(`no answer from ${target} within ${seconds} s`, { cause });
  }
  if (Kind === ServerError) {
    const reason = details || "no reason given";
    return new ServerError(`${target} failed with ${status[code]}: ${reason}`, { cause });
  }
  const retryDelaySeconds = Kind === Overloaded ? retryDelay(metadata) : undefined;
  const sentence = details || `${target} answered ${status[code]}`;
  return fromSentence(Kind, sentence, { cause, retryDelaySeconds });
}

/** The error of one item of a partial response. */
export function ofItem(code: number, message: string): ResiduumError {
  return new (BY_STATUS.get(code) ?? ServerError)(message || `failed with the status ${code}`);
}

/** Whether the call would fail in the same way with any other images or records. */
export function failsEveryCall(error: ResiduumError): boolean {
  const code = (error.cause as Partial<ServiceError> | undefined)?.code;
  return OF_EVERY_CALL.some((kind) => error instanceof kind) || code === status.UNIMPLEMENTED;
}

/**
 * Seconds after which a busy server wants to be asked again: `grpc-retry-pushback-ms` or the
 * RetryInfo of its status. Infinity if it does not want that, undefined if it does not say.
 */
export function retryDelay(metadata: Metadata): number | undefined {
  const [pushBack] = metadata.get("grpc-retry-pushback-ms");
  if (pushBack !== undefined) {
    const milliseconds = /^\d+$/.test(String(pushBack)) ? Number(pushBack) : Infinity;
    return milliseconds / 1000;
  }
  const [data] = metadata.get("grpc-status-details-bin");
  if (data === undefined) return undefined;
  try {
    const details = parseStatus(Buffer.from(data as Buffer)).details;
    const found = details.find((any) => any.type_url?.endsWith("/google.rpc.RetryInfo"));
    const delay = found && parseRetryInfo(found.value as Buffer).retryDelay;
    return delay ? delay.seconds + delay.nanos / 1e9 : undefined;
  } catch {
    return undefined; // damaged details are as good as none
  }
}

/** Why a connection failed, without gRPC's internals and without the address. */
function reasonOf(details: string): string {
  return REASONS.find(([pattern]) => pattern.test(details))?.[1] ?? "";
}
