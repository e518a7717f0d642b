/** Cuts a caller's list or stream into messages. */
import { InvalidInput } from "./errors.js";
import type { Exchange } from "./exchange.js";

/** An image or record, with its index in the caller's list. */
export interface Item<V> {
  index: number;
  value: V;
}

/** Consecutive elements: those that can be sent in one message, and the errors of the others. */
export interface Batch<V> {
  start: number;
  count: number;
  items: Item<V>[];
  failed: Map<number, InvalidInput>;
}

// Throughput peaks here: larger messages wait longer, smaller ones cost more per image.
const MESSAGE_WEIGHT = 1_000_000;

/** Elements one by one, from a list or a stream. */
export type Elements<T> = Iterable<T> | AsyncIterable<T>;

/** The batches of all elements, in order. */
export async function* cut<V, Q, A, R>(
  exchange: Exchange<V, Q, A, R>,
  elements: Elements<unknown>,
): AsyncGenerator<Batch<V>, void, undefined> {
  let batch: Batch<V> = { start: 0, count: 0, items: [], failed: new Map() };
  let [weight, shape, index] = [0, "", 0];
  for await (const element of elements) {
    const found = checked(exchange, element);
    const item = found instanceof InvalidInput ? undefined : { index, value: found.value };
    const more = item ? exchange.weigh(item.value) : 0;
    const other = item && batch.items.length > 0 && exchange.shape(item.value) !== shape;
    const heavy = batch.items.length > 0 && weight + more > MESSAGE_WEIGHT;
    if (other || heavy || batch.count >= exchange.items) {
      yield batch;
      batch = { start: index, count: 0, items: [], failed: new Map() };
      weight = 0;
    }
    if (item) {
      batch.items.push(item);
      [weight, shape] = [weight + more, exchange.shape(item.value)];
    } else if (found instanceof InvalidInput) {
      batch.failed.set(index, found);
    }
    batch.count += 1;
    index += 1;
  }
  if (batch.count > 0) yield batch;
}

function checked<V, Q, A, R>(exchange: Exchange<V, Q, A, R>, element: unknown): { value: V } | InvalidInput {
  try {
    return { value: exchange.check(element) };
  } catch (error) {
    if (error instanceof InvalidInput) return error;
    throw error;
  }
}
