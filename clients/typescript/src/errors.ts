/*
 * The errors of this library:
 *
 *     ResiduumError
 *     ├── InvalidInput      an image, a number of records or an option is invalid
 *     ├── RecordError       the record is damaged, cut short, or was made by another model
 *     ├── UnknownModel      the server has no such model
 *     ├── BundleError       the bundle of the model is damaged, or lacks what the call needs
 *     ├── Overloaded        the server is busy; the same call may succeed later
 *     ├── Unavailable       no server answers at the address, or it is shutting down
 *     ├── DeadlineExceeded  no response within the timeout
 *     ├── Unauthenticated   the server wants a token, or does not know this one
 *     ├── PermissionDenied  the token is not enough for the call
 *     └── ServerError       the server failed, or its response makes no sense
 */

/** What an error has apart from its sentence. */
export interface ErrorDetails {
  index?: number | undefined;
  cause?: unknown;
  retryDelaySeconds?: number | undefined;
}

const PLACE = /^(?:image|record) (\d+): /;

/** Base class of all errors of this library. The message is one sentence. */
export class ResiduumError extends Error {
  /** Position of the image or record at fault in the list that the caller gave, if one is. */
  readonly index: number | undefined;
  protected readonly details: ErrorDetails;

  constructor(sentence: string, details: ErrorDetails = {}) {
    super(sentence, "cause" in details ? { cause: details.cause } : undefined);
    this.name = new.target.name;
    this.index = details.index;
    Object.defineProperty(this, "details", { value: details, enumerable: false });
    this.details = details;
  }

  /** The sentence without a leading `image 3: ` or `record 3: `. */
  get reason(): string {
    return this.index === undefined ? this.message : this.message.replace(PLACE, "");
  }

  /** The same error of the image or record (`noun`) at this index of a list. */
  at(noun: string, index: number): ResiduumError {
    const Kind = this.constructor as ErrorKind;
    return new Kind(`${noun} ${index}: ${this.reason}`, { ...this.details, index });
  }
}

/** A class of errors. */
export type ErrorKind = new (sentence: string, details?: ErrorDetails) => ResiduumError;

/** An image, a number of records or an option is invalid. */
export class InvalidInput extends ResiduumError {}

/** The record is damaged, cut short, or was made by another model. */
export class RecordError extends ResiduumError {}

/** The server has no model of this name and version. */
export class UnknownModel extends ResiduumError {}

/** The bundle of the model is damaged, or lacks what the call needs. */
export class BundleError extends ResiduumError {}

/** The server is busy; the same call may succeed later. */
export class Overloaded extends ResiduumError {
  /**
   * Seconds after which the server wants to be asked again, by its own estimate; Infinity if it
   * does not want to be asked again, undefined if it did not say.
   */
  get retryDelaySeconds(): number | undefined {
    return this.details.retryDelaySeconds;
  }
}

/** No server answers at the address, it is shutting down, or the client is closed. */
export class Unavailable extends ResiduumError {}

/** No response came within the timeout. */
export class DeadlineExceeded extends ResiduumError {}

/** The server wants a token or a certificate, or does not know the one that was given. */
export class Unauthenticated extends ResiduumError {}

/** The token is known, but is not enough for the call. */
export class PermissionDenied extends ResiduumError {}

/** The server failed, or its response makes no sense. */
export class ServerError extends ResiduumError {}

/** The error with this sentence, and with the index of a leading `image 3: ` or `record 3: `. */
export function fromSentence(Kind: ErrorKind, sentence: string, details: ErrorDetails = {}): ResiduumError {
  const place = PLACE.exec(sentence);
  return new Kind(sentence, { ...details, index: place ? Number(place[1]) : details.index });
}
