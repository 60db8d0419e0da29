import type { Gun } from '../tuf/gun.ts'
import { LimitedMap } from '../tuf/limited-map.ts'

/** An answer to a GET of a document, ready to be sent again. */
export interface KeptAnswer {
  readonly gun: Gun
  /** The repository's when it was made: nothing has changed while it has this one. */
  readonly stamp: Buffer
  /** Milliseconds since 1970, from when the server would sign anew. */
  readonly until: number
  readonly operation: string
  readonly role: string
  /** Names and values in turn. */
  readonly headers: readonly string[]
  /** The same as they are sent, with the line before them. */
  readonly head: string
  readonly body: Buffer
}

/** Bytes of all answers that are kept… */
const KEPT_MAX_BYTES = 24 * 1024 * 1024
/** …where each takes so much beside its body: URL, headers, objects. */
const AROUND_BODY_BYTES = 2_560

/**
 * Answers to GETs that were asked for lately, by URL as it was sent. Whether one still is right is seen by the stamp of its
 * repository, which is read from the store every time. What was kept first is dropped first.
 */
export class KeptAnswers extends LimitedMap<string, KeptAnswer> {
  constructor() {
    super(KEPT_MAX_BYTES, ({ body }) => body.length + AROUND_BODY_BYTES)
  }
}
