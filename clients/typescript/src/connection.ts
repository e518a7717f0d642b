/** A connection to a server: single calls, and when a call is made again. */
import { setTimeout as sleep } from "node:timers/promises";
import { Client, Metadata, status } from "@grpc/grpc-js";
import type { ChannelCredentials, ClientUnaryCall, ServiceError } from "@grpc/grpc-js";
import { channelOptions } from "./channel.js";
import { DeadlineExceeded, Overloaded, ResiduumError, Unavailable } from "./errors.js";
import { fromRpc } from "./failures.js";
import type { Rpc } from "./rpcs.js";

/** How long a call may take with all its attempts, and what else ends it. */
export interface Limits {
  seconds: number;
  /** When the seconds are over, as Date.now() counts. */
  deadline: number;
  signal: AbortSignal | undefined;
  /** Why an earlier attempt failed; a later one that is too late failed for this reason. */
  refused?: ResiduumError;
}

// Pauses before a call is made again to a server that does not say when to ask, seconds.
const PAUSES = [0.1, 0.2, 0.4, 0.8, 1.6];

export class Connection {
  private readonly client: Client;
  private readonly metadata = new Metadata();
  private readonly calls = new Set<ClientUnaryCall>();
  private readonly closing = new AbortController();
  private answered = false;

  constructor(
    readonly target: string,
    readonly timeoutSeconds: number,
    credentials: ChannelCredentials,
    token: string | undefined,
  ) {
    if (token !== undefined) this.metadata.set("authorization", `Bearer ${token}`);
    this.client = new Client(target, credentials, channelOptions(target));
  }

  /** Whether `close` was called. */
  get closed(): boolean {
    return this.closing.signal.aborted;
  }

  /** The limits of a call that begins now. */
  limits(signal?: AbortSignal, seconds = this.timeoutSeconds): Limits {
    return { seconds, deadline: Date.now() + seconds * 1000, signal };
  }

  /** Ends the calls in progress and closes the connection. */
  close(): void {
    this.closing.abort();
    for (const call of this.calls) call.cancel();
    this.client.close();
  }

  /** The response to one request, asked again until the deadline. Throws ResiduumError. */
  async call<Q, A>(rpc: Rpc<Q, A>, request: Q): Promise<A> {
    const limits = this.limits();
    for (let tries = 0; ; tries += 1) {
      try {
        return await this.once(rpc, request, limits);
      } catch (error) {
        if (!(await this.mayTryAgain(error, tries, limits))) throw error;
      }
    }
  }

  /** The response to one request about a number of items. Throws ResiduumError. */
  once<Q, A>(rpc: Rpc<Q, A>, request: Q, limits: Limits, items = 0): Promise<A> {
    const { deadline, signal } = limits;
    if (this.closed) {
      throw new Unavailable(`the client of ${this.target} is closed`);
    }
    return new Promise((resolve, reject) => {
      const cancel = () => call.cancel();
      const end = (failure: ServiceError | null, response?: A) => {
        signal?.removeEventListener("abort", cancel);
        this.calls.delete(call);
        if (!failure) {
          this.answered = true;
          resolve(response as A);
        } else {
          const error = this.errorOf(failure, limits.seconds, items);
          reject((error instanceof DeadlineExceeded && limits.refused) || error);
        }
      };
      const { path, requestSerialize, responseDeserialize } = rpc;
      const options = { deadline };
      const call = this.client.makeUnaryRequest<Q, A>(
        path, requestSerialize, responseDeserialize, request, this.metadata, options, end,
      );
      this.calls.add(call);
      signal?.addEventListener("abort", cancel, { once: true });
      if (signal?.aborted) cancel();
    });
  }

  /**
   * Whether to make a call again after `tries` others; waits until then.
   *
   * A busy server is asked again when it wants to be, and one that went away until it is back,
   * unless that would be after the deadline. A server that never answered is not waited for, beyond
   * the five attempts of gRPC itself.
   */
  async mayTryAgain(error: unknown, tries: number, limits: Limits): Promise<boolean> {
    if (limits.signal?.aborted || this.closed) return false;
    let pause = PAUSES[Math.min(tries, PAUSES.length - 1)] as number;
    if (error instanceof Overloaded) {
      pause = error.retryDelaySeconds ?? pause;
    } else if (!(error instanceof Unavailable && this.answered)) {
      return false;
    }
    if (Date.now() + pause * 1000 >= limits.deadline) return false;
    const signals = [this.closing.signal, ...(limits.signal ? [limits.signal] : [])];
    try {
      await sleep(pause * 1000, undefined, { signal: AbortSignal.any(signals) });
    } catch {
      return false;
    }
    limits.refused = error;
    return true;
  }

  private errorOf(failure: ServiceError, seconds: number, items: number): ResiduumError {
    if (this.closed) {
      const sentence = `the client of ${this.target} was closed during the call`;
      return new Unavailable(sentence, { cause: failure });
    }
    const silent = [status.UNAVAILABLE, status.DEADLINE_EXCEEDED, status.CANCELLED];
    this.answered ||= !silent.includes(failure.code);
    return fromRpc(failure, { target: this.target, seconds, items });
  }
}
