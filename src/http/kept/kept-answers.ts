import { LimitedMap } from '../../memory/limited-map.ts'
import type { Gun } from '../../tuf/gun.ts'

/** An answer to a GET, ready to be sent again. */
export interface KeptAnswer {
  readonly status: 200 | 401
  /** What it was made from; left out: nothing that is stored, so that it stays right. */
  readonly source?: Source
  /** For the log. */
  readonly about: { readonly operation: string; readonly gun: string | undefined; readonly role: string | undefined }
  /** Why it was refused, for the log. */
  readonly refusal?: Error
  /** First line and headers, as they are sent. */
  readonly head: string
  readonly body: Buffer
}

/** A repository as it was. */
export interface Source {
  readonly gun: Gun
  /** Of the repository when it was read: nothing has changed while it has this one. */
  readonly stamp: Buffer
  /** Milliseconds since 1970, from when the server would sign anew. */
  readonly until: number
  /** `Store.writes` before the stamp was last read. */
  writes?: number | undefined
}

/** Bytes of all answers that are kept… */
const ANSWERS_MAX_BYTES = 16 * 1024 * 1024
const REFUSALS_MAX_BYTES = 1024 * 1024
/** …where each takes so much beside its body: URL, headers, objects. */
const AROUND_BODY_BYTES = 1_280

/**
 * Answers to GETs that were asked for lately, by URL as it was sent. Whether one still is right is seen by the stamp of its
 * repository, which is read from the store if it was written to. What was kept first is dropped first.
 */
export class KeptAnswers {
  /** For those who may have it. */
  readonly answers = new LimitedMap<string, KeptAnswer>(ANSWERS_MAX_BYTES, weightOf)
  /** For those who show no credentials and may not: settings alone say so. */
  readonly refusals = new LimitedMap<string, KeptAnswer>(REFUSALS_MAX_BYTES, weightOf)
}

function weightOf({ body }: KeptAnswer): number {
  return body.length + AROUND_BODY_BYTES
}
