/** How the client connects: addresses, retries, load balancing over replicas, message sizes, TLS. */
import { isIP } from "node:net";
import { ChannelCredentials, credentials as grpcCredentials } from "@grpc/grpc-js";
import type { ChannelOptions } from "@grpc/grpc-js";
import { InvalidInput } from "./errors.js";
import { checkNames, shown } from "./options.js";

/** Certificates in PEM. */
export interface Tls {
  /** The authorities that sign the certificates of servers; by default those of Node. */
  ca?: string | Uint8Array | undefined;
  /** The certificate of this client, for servers that ask for one; together with `key`. */
  cert?: string | Uint8Array | undefined;
  /** The private key of `cert`. */
  key?: string | Uint8Array | undefined;
}

// A server that is being stopped answers UNAVAILABLE, and CANCELLED to calls that it did not finish.
// The empty name matches every method; all of them can be repeated safely.
const SERVICE_CONFIG = {
  loadBalancingConfig: [{ round_robin: {} }],
  methodConfig: [
    {
      name: [{}],
      retryPolicy: {
        maxAttempts: 5,
        initialBackoff: "0.1s",
        maxBackoff: "0.5s",
        backoffMultiplier: 2,
        retryableStatusCodes: ["UNAVAILABLE", "CANCELLED"],
      },
    },
  ],
};
const MAX_RESPONSE_BYTES = 256 * 2 ** 20;
// gRPC never repeats a call whose messages exceed this, without a warning; its default is 1 MiB.
const RETRY_BUFFER_BYTES = 64 * 2 ** 20;
// The schemes of names that gRPC resolves.
const GRPC_NAME = /^(?:dns|ipv4|ipv6|unix|xds):/i;
const EXPECTED = "expected HOST:PORT, such as localhost:50051";

/** The options of a channel to this address. */
export function channelOptions(target: string): ChannelOptions {
  return {
    "grpc.service_config": JSON.stringify(SERVICE_CONFIG),
    "grpc.per_rpc_retry_buffer_size": RETRY_BUFFER_BYTES,
    "grpc.retry_buffer_size": 4 * RETRY_BUFFER_BYTES,
    "grpc.max_receive_message_length": MAX_RESPONSE_BYTES,
    "grpc.max_send_message_length": -1, // the server limits what is sent
    "grpc.initial_reconnect_backoff_ms": 100,
    "grpc.max_reconnect_backoff_ms": 500,
    "grpc.dns_min_time_between_resolutions_ms": 2000,
    // A proxy cannot reach this machine under a name that means the machine itself.
    "grpc.enable_http_proxy": isLocal(target) ? 0 : 1,
  };
}

/** The address itself: HOST:PORT, [IPV6]:PORT, or another name of gRPC. Throws InvalidInput. */
export function checkTarget(target: unknown): string {
  if (typeof target !== "string") {
    throw new InvalidInput(`the address is ${shown(target)}; ${EXPECTED}`);
  }
  const found = `the address ${JSON.stringify(target)}`;
  if (/[^\x21-\x7e]/.test(target) && !target.startsWith("unix:")) {
    throw new InvalidInput(`${found} has a space or another odd character; ${EXPECTED}`);
  }
  if (GRPC_NAME.test(target)) return target;
  const url = /^[a-z][a-z0-9+.-]*:\/\//i.exec(target);
  if (url) {
    const place = target.slice(url[0].length).split("/")[0] || "HOST:PORT";
    throw new InvalidInput(`${found} is a URL; expected ${place} without ${url[0]}`);
  }
  const [host, port] = split(target);
  if (host === "" || host === "[]") throw new InvalidInput(`${found} has no host; ${EXPECTED}`);
  if (host.includes(":") && !host.startsWith("[")) {
    throw new InvalidInput(`${found} needs brackets if it is IPv6: [ADDRESS]:PORT`);
  }
  if (port === "") throw new InvalidInput(`${found} has no port; expected ${host}:PORT`);
  if (!/^\d+$/.test(port) || Number(port) < 1 || Number(port) > 65535) {
    throw new InvalidInput(`${found} has the port ${JSON.stringify(port)}; expected 1 to 65535`);
  }
  return target;
}

/** The credentials of a channel. Throws InvalidInput. */
export function channelCredentials(
  credentials: ChannelCredentials | undefined,
  tls: Tls | undefined,
): ChannelCredentials {
  if (credentials !== undefined && tls !== undefined) {
    throw new InvalidInput("credentials and tls are given, expected at most one of them");
  }
  if (credentials !== undefined && !(credentials instanceof ChannelCredentials)) {
    throw new InvalidInput(`credentials is ${shown(credentials)}, expected those of @grpc/grpc-js`);
  }
  if (tls === undefined) return credentials ?? grpcCredentials.createInsecure();
  if (typeof tls !== "object" || tls === null) {
    throw new InvalidInput(`tls is ${shown(tls)}, expected {ca, cert, key}`);
  }
  checkNames(tls, ["ca", "cert", "key"]);
  if ((tls.cert === undefined) !== (tls.key === undefined)) {
    throw new InvalidInput("one of tls.cert and tls.key is given, expected both or neither");
  }
  try {
    return grpcCredentials.createSsl(pem(tls.ca), pem(tls.key), pem(tls.cert));
  } catch (cause) {
    throw new InvalidInput(`the certificates of tls cannot be read: ${String(cause)}`, { cause });
  }
}

/** Throws InvalidInput for a token that would be sent to another machine without encryption. */
export function checkToken(token: unknown, target: string, channel: ChannelCredentials): void {
  if (token === undefined) return;
  if (typeof token !== "string" || !/^[\x21-\x7e]+$/.test(token)) {
    throw new InvalidInput("the token is not text, or has characters that a token cannot have");
  }
  const staysHere = target.startsWith("unix:") || isLocal(target);
  if (!channel._isSecure() && !staysHere) {
    throw new InvalidInput(
      `token would be sent to ${target} without encryption; expected tls, or an address of this machine`,
    );
  }
}

function pem(text: string | Uint8Array | undefined): Buffer | null {
  return text === undefined ? null : Buffer.from(text as Uint8Array);
}

/** Whether the address means this machine, whatever proxies there are. */
function isLocal(target: string): boolean {
  const name = target.replace(GRPC_NAME, "").split("/").at(-1) ?? "";
  const host = split(name)[0].replace(/^\[|\]$/g, "").toLowerCase();
  if (isIP(host)) return host === "::1" || host === "::" || host === "0.0.0.0" || host.startsWith("127.");
  return host === "localhost" || host.endsWith(".localhost");
}

/** Host and port, either of which may be empty; an IPv6 address keeps its brackets. */
function split(target: string): [string, string] {
  const match = /^(\[[^\]]*\]|.*?)(?::([^:\]]*))?$/.exec(target);
  return [match?.[1] ?? target, match?.[2] ?? ""];
}
