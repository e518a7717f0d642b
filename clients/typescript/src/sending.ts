/** Sends a list or a stream: several messages at a time, results in order. */
import { cut } from "./batches.js";
import type { Batch, Elements, Item } from "./batches.js";
import type { Connection, Limits } from "./connection.js";
import {
  DeadlineExceeded,
  InvalidInput,
  Overloaded,
  RecordError,
  ResiduumError,
  Unavailable,
} from "./errors.js";
import { outcomesOf } from "./exchange.js";
import type { Exchange, Outcome } from "./exchange.js";
import { failsEveryCall } from "./failures.js";

// Messages in flight at once: enough that a server never waits for the next one.
const IN_FLIGHT = 4;
// Parts in which a message is sent again that was too late: trying takes long.
const LATE_PARTS = 8;
// A server that is too late this often without any answer is taken for gone.
const GONE = 8;

/**
 * One outcome per element, in order. Throws what no single image or record is to blame for.
 *
 * Several unary calls at a time: each has a deadline, retries and a replica, while a stream has only
 * one of each.
 */
export async function* send<V, Q, A, R>(
  connection: Connection,
  exchange: Exchange<V, Q, A, R>,
  elements: Elements<unknown>,
): AsyncGenerator<Outcome<R>, void, undefined> {
  const stop = new AbortController();
  const sender = new Sender(connection, exchange, stop.signal);
  const batches = cut(exchange, elements);
  const inFlight: Promise<Outcome<R>[]>[] = [];
  try {
    for (let more = true; more || inFlight.length > 0; ) {
      while (more && inFlight.length < IN_FLIGHT) {
        const next = await batches.next();
        more = !next.done;
        if (next.done) break;
        const outcomes = sender.outcomes(next.value);
        outcomes.catch(() => {}); // it is thrown when its turn comes
        inFlight.push(outcomes);
      }
      yield* (await inFlight.shift()) ?? [];
    }
  } finally {
    stop.abort();
    await batches.return();
  }
}

class Sender<V, Q, A, R> {
  private late = 0;

  constructor(
    private readonly connection: Connection,
    private readonly exchange: Exchange<V, Q, A, R>,
    private readonly signal: AbortSignal,
  ) {}

  /** One outcome per element of a batch. Throws what every other call would throw. */
  async outcomes(batch: Batch<V>): Promise<Outcome<R>[]> {
    const { noun } = this.exchange;
    const found = new Map<number, Outcome<R>>(batch.failed);
    await this.deliver(batch.items, found);
    return Array.from({ length: batch.count }, (_, place) => {
      const index = batch.start + place;
      const outcome = found.get(index) as Outcome<R>;
      return outcome instanceof ResiduumError ? outcome.at(noun, index) : outcome;
    });
  }

  /** Sends items until each has an outcome in `found`, in parts if they do not succeed together. */
  private async deliver(
    items: Item<V>[],
    found: Map<number, Outcome<R>>,
    limits = this.connection.limits(this.signal),
  ): Promise<void> {
    for (let tries = 0; items.length > 0; tries += 1) {
      let [left, parts, sharedLimits] = [items, 2, undefined as Limits | undefined];
      try {
        left = await this.exchangeOnce(items, found, limits);
      } catch (error) {
        if (!(error instanceof ResiduumError) || failsEveryCall(error) || this.signal.aborted) throw error;
        const inTime = Date.now() < limits.deadline;
        if (error instanceof Overloaded && tries > 0 && items.length > 1 && inTime) {
          sharedLimits = limits; // refused twice: perhaps because it is too much at once
        } else if (await this.connection.mayTryAgain(error, tries, limits)) {
          continue;
        } else {
          left = this.failed(items, error, found);
          if (error instanceof DeadlineExceeded) parts = LATE_PARTS;
        }
      }
      if (left.length === items.length) return this.inParts(left, parts, found, sharedLimits);
      items = left;
    }
  }

  /** Sends a request; the items that the server wants in another request. */
  private async exchangeOnce(
    items: Item<V>[],
    found: Map<number, Outcome<R>>,
    limits: Limits,
  ): Promise<Item<V>[]> {
    const { rpc, ask, read } = this.exchange;
    const request = ask(items.map((item) => item.value));
    const response = await this.connection.once(rpc, request, limits, items.length);
    this.late = 0;
    const { errors } = response as { errors: Parameters<typeof outcomesOf>[1] };
    const outcomes = outcomesOf(read(response), errors, items.length);
    return items.filter((item, place) => {
      const outcome = outcomes[place] as Outcome<R>;
      if (outcome instanceof Overloaded && items.length > 1) return true;
      found.set(item.index, outcome);
      return false;
    });
  }

  /**
   * After a failure that waiting does not mend: the items that it does not settle. Throws an error
   * that no single item is to blame for.
   */
  private failed(items: Item<V>[], error: ResiduumError, found: Map<number, Outcome<R>>): Item<V>[] {
    if (error instanceof Unavailable) throw error;
    if (error instanceof DeadlineExceeded) this.late += 1;
    if (this.late >= GONE) throw error;
    const ofItem = error instanceof InvalidInput || error instanceof RecordError;
    const culprit = ofItem && error.index !== undefined ? items[error.index] : undefined;
    if (culprit) {
      found.set(culprit.index, error); // by a server that knows no partial requests
      return items.filter((item) => item !== culprit);
    }
    if (items.length > 1 && !(error instanceof Overloaded)) return items;
    if (error instanceof InvalidInput) throw error; // for any other item too
    for (const item of items) found.set(item.index, error);
    return [];
  }

  private async inParts(
    items: Item<V>[],
    parts: number,
    found: Map<number, Outcome<R>>,
    limits?: Limits,
  ): Promise<void> {
    const size = Math.ceil(items.length / parts);
    for (let start = 0; start < items.length; start += size) {
      const part = items.slice(start, start + size);
      await this.deliver(part, found, limits);
    }
  }
}
