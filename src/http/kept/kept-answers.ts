import { LimitedMap } from '../../memory/limited-map.ts'
import type { Gun } from '../../tuf/gun.ts'

/** A response to a GET, ready to be sent again. */
export interface KeptAnswer {
  readonly status: number
  /** What it was made from; absent: nothing in the store, so it stays valid. */
  readonly source?: Source
  /** For the log. */
  readonly about: { readonly operation: string; readonly gun: string | undefined; readonly role: string | undefined }
  /** Why it was refused, for the log. */
  readonly refusal?: Error
  /** Status line and headers, as sent. */
  readonly head: string
  readonly body: Buffer
}

/** A repository's state. */
export interface Source {
  readonly gun: Gun
  /** The repository's stamp at that time: it changes with the repository. */
  readonly stamp: Buffer
  /** Milliseconds since 1970 after which the server would sign anew. */
  readonly until: number
  /** `Store.writes` before the stamp was last read. */
  writes?: number | undefined
}

/** Bytes of all kept responses… */
const ANSWERS_MAX_BYTES = 16 * 1024 * 1024
const REFUSALS_MAX_BYTES = 1024 * 1024
/** …with this overhead for each, besides its body: URL, headers, objects. */
const AROUND_BODY_BYTES = 1_280
/** Without room, keeps a new response if it was last asked for among so many others that were not kept… */
const PASSED_OVER_MAX = 1_000
/** …and one in so many of the rest, so that what nobody asks for any more goes in the end. */
const REST_KEPT = 1 / 8

/**
 * Responses to recent GETs, by URL as sent. The repository's stamp shows whether one is still valid; it is read from
 * the store if anything was written since. Drops the oldest first.
 */
export class KeptAnswers {
  /** For clients that may have them. */
  readonly answers = new LimitedMap<string, KeptAnswer>(ANSWERS_MAX_BYTES, weightOf)
  /** For clients without credentials that may not: depends only on settings. */
  readonly refusals = new LimitedMap<string, KeptAnswer>(REFUSALS_MAX_BYTES, weightOf)
  readonly #passedOver = new LimitedMap<string, true>(PASSED_OVER_MAX)
  #rest = 0

  /**
   * Returns whether to keep a document that was just read. Where clients read more documents than there is room for, each
   * would otherwise push out another one, which few would be asked for again either. What is pushed out takes memory
   * until V8 collects the whole heap: 150 MB if any document of 3,000 repositories is read.
   */
  wants(url: string, bytes: number): boolean {
    const wanted =
      this.answers.get(url) !== undefined ||
      this.answers.hasRoomFor(bytes + AROUND_BODY_BYTES) ||
      this.#passedOver.get(url) === true
    if (wanted) return true
    this.#passedOver.set(url, true)
    this.#rest += REST_KEPT
    if (this.#rest < 1) return false
    this.#rest = 0
    return true
  }
}

function weightOf({ body }: KeptAnswer): number {
  return body.length + AROUND_BODY_BYTES
}
