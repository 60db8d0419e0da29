import { hash, randomBytes, timingSafeEqual } from 'node:crypto'
import { findRecords, type FoundRecords } from '../store/found-records.ts'
import type { Grant } from './permission.ts'
import type { Directory } from './user.ts'

/** An API token without its secret. A record of kind `token`, by its id. */
export interface ApiToken {
  /** 16 hex digits; part of the token's text. */
  readonly id: string
  /** Unique among all tokens that are not revoked. */
  readonly name: string
  /** The user whose grants bound the token's; null: made on the server itself, bounded by nobody. */
  readonly owner: string | null
  /** Hex SHA-256 of the secret part of its text: 256 random bits need no slow hash. */
  readonly secretSha256: string
  readonly grants: readonly Grant[]
  /** Milliseconds since 1970; null: never. */
  readonly expires: number | null
  readonly revoked: boolean
  /** Milliseconds since 1970. */
  readonly createdAt: number
}

const ID_BYTES = 8
const SECRET_BYTES = 32
const ID = /^[0-9a-f]{16}$/
const TEXT = /^cs_([0-9a-f]{16})_([A-Za-z0-9_-]{43})$/

/** True if the text claims to be an API token; users' passwords never look like this. */
export function looksLikeToken(text: string): boolean {
  return text.startsWith('cs_')
}

/** Returns a new id, and the text to hand out, which is shown once and not stored. */
export function mintToken(): { id: string; text: string; secretSha256: string } {
  const id = randomBytes(ID_BYTES).toString('hex')
  const secret = randomBytes(SECRET_BYTES).toString('base64url')
  return { id, text: `cs_${id}_${secret}`, secretSha256: sha256(secret).toString('hex') }
}

/** Finds the token that a text belongs to, usable or not. */
export function findToken(directory: Directory, text: string): ApiToken | undefined {
  const [, id = '', secret = ''] = TEXT.exec(text) ?? []
  const token = tokenById(directory, id)
  // Hash and compare in any case, so that an unknown id takes as long as a wrong secret.
  const right = timingSafeEqual(sha256(secret), Buffer.from(token?.secretSha256 ?? '0'.repeat(64), 'hex'))
  return right ? token : undefined
}

/** Returns the id in the text of a token; undefined: it is no such text. */
export function tokenIdIn(text: string): string | undefined {
  return TEXT.exec(text)?.[1]
}

/** Finds a token, even a revoked one. @returns undefined if there is none, or this is no id @throws TrustError CORRUPT */
export function tokenById(directory: Directory, id: string): ApiToken | undefined {
  return ID.test(id) ? (directory.record('token', id) as ApiToken | undefined) : undefined
}

/** @param now milliseconds since 1970 */
export function isUsable({ revoked, expires }: ApiToken, now: number): boolean {
  return !revoked && (expires === null || now < expires)
}

/** Returns all tokens in byte order of their ids, which are the names of their records. */
export function allTokens(directory: Directory): Promise<FoundRecords<ApiToken>> {
  return findRecords(directory, 'token')
}

function sha256(text: string): Buffer {
  return hash('sha256', text, 'buffer')
}
