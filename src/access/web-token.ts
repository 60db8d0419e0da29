import { reasonOf } from '../errors.ts'
import type { Json, JsonObject } from '../tuf/json/json.ts'
import { parseJson } from '../tuf/json/parse.ts'
import type { ResourceActions } from './scope.ts'
import { isSignedBy, type PublicTokenKey } from './token-signature.ts'

/** The members of a token's header that say which key verifies it. */
interface TokenHeader {
  readonly algorithm: string
  readonly kid: string | undefined
  /** Certificates, DER, leaf first. */
  readonly x5c: readonly Buffer[] | undefined
}

/** Finds the key for a token among those that settings name; at once, unless keys must be fetched. */
export type FindKey = (
  header: TokenHeader,
  now: number,
) => PublicTokenKey | undefined | Promise<PublicTokenKey | undefined>

/** Who issues tokens, and for whom. */
export interface TokenRules {
  readonly issuer: string
  readonly service: string
  readonly findKey: FindKey
}

/** The claims of a verified token. */
export interface Claims {
  /** Empty: anonymous. */
  readonly subject: string
  readonly access: readonly ResourceActions[]
  /** Milliseconds since 1970 until which the token is accepted. */
  readonly ends: number
}

/** A token was refused. The reason is for the log only: every refusal gets the same response. */
export class TokenRefused extends Error {
  override readonly name = 'TokenRefused'
}

/** Seconds that clocks may differ (wire spec §15.1). */
const LEEWAY = 60
/** Most entries of `access`, and most actions of one entry. */
const ACCESS_MAX = 100
/** Characters of a subject or a name. */
const TEXT_MAX = 512
/** Every member that a header may have: above all no key (`jwk`, `jku`, `x5u`), and nothing that changes what is signed. */
const HEADER_MEMBERS: readonly string[] = ['alg', 'typ', 'kid', 'x5c', 'x5t', 'x5t#S256']
const X5C_MAX = 8

// oxlint-disable-next-line no-control-regex
const CONTROL = /[\u0000-\u001f\u007f-\u009f]/

/**
 * Verifies a JSON Web Token (wire spec §15.1), more strictly than clients need: one encoding for each part, no
 * duplicate members, only keys that settings name, and only the algorithm that belongs to the key.
 *
 * @param now milliseconds since 1970
 * @throws TokenRefused
 */
export async function verifyWebToken(text: string, rules: TokenRules, now: number): Promise<Claims> {
  const token = readToken(text)
  return claimsBy(await rules.findKey(token.header, now), token, rules, now)
}

/** Does the same without waiting. @returns undefined: keys must be fetched first @throws TokenRefused */
export function verifyWebTokenAtOnce(text: string, rules: TokenRules, now: number): Claims | undefined {
  const token = readToken(text)
  const found = rules.findKey(token.header, now)
  return found instanceof Promise ? undefined : claimsBy(found, token, rules, now)
}

/** A token that was taken apart but not verified. */
interface ReadToken {
  readonly header: TokenHeader
  readonly claims: JsonObject
  /** The text that is signed. */
  readonly signed: string
  readonly signature: Buffer
}

function readToken(text: string): ReadToken {
  const parts = text.split('.')
  const [header = '', payload = '', signature = ''] = parts
  if (parts.length !== 3) refuse('it does not have three parts')
  return {
    header: headerOf(objectIn(header, 'header')),
    claims: objectIn(payload, 'payload'),
    signed: `${header}.${payload}`,
    signature: bytesIn(signature, 'signature'),
  }
}

function claimsBy(
  found: PublicTokenKey | undefined,
  { header, claims, signed, signature }: ReadToken,
  rules: TokenRules,
  now: number,
): Claims {
  if (found === undefined) refuse(`no key here verifies it: ${namedKey(header)}`)
  if (header.algorithm !== found.algorithm) refuse('its algorithm is not that of its key')
  if (!isSignedBy(found, signed, signature)) refuse('its signature is wrong')
  return claimsOf(claims, rules, now)
}

/** For the log: which key a token names. */
function namedKey({ algorithm, kid, x5c }: TokenHeader): string {
  return JSON.stringify({ alg: algorithm, kid, certificates: x5c?.length })
}

function headerOf(header: JsonObject): TokenHeader {
  for (const member of Object.keys(header)) {
    if (!HEADER_MEMBERS.includes(member)) refuse('its header has a member that is not allowed')
  }
  const { alg, typ, kid, x5c } = header
  if (typeof alg !== 'string') refuse('its header names no algorithm')
  if (typ !== undefined && (typeof typ !== 'string' || typ.toUpperCase() !== 'JWT')) refuse('it is not a JWT')
  if (kid !== undefined && (typeof kid !== 'string' || kid.length > TEXT_MAX)) refuse('its key id is not a string')
  return { algorithm: alg, kid, x5c: x5c === undefined ? undefined : certificatesOf(x5c) }
}

/** RFC 7515 §4.1.6: standard base64, not base64url. */
function certificatesOf(value: Json): Buffer[] {
  if (!Array.isArray(value) || value.length === 0 || value.length > X5C_MAX)
    refuse('its x5c is not a list of certificates')
  return (value as readonly Json[]).map((each) => {
    const der = typeof each === 'string' ? Buffer.from(each, 'base64') : Buffer.alloc(0)
    return der.length > 0 && der.toString('base64') === each ? der : refuse('its x5c is not base64')
  })
}

function claimsOf({ iss, aud, exp, nbf, iat, sub, access = null }: JsonObject, rules: TokenRules, now: number): Claims {
  const seconds = now / 1000
  if (iss !== rules.issuer) refuse(`it is from another issuer: ${JSON.stringify(iss)}`)
  if (!isFor(rules.service, aud)) refuse(`it is for another service: ${JSON.stringify(aud)}`)
  if (typeof exp !== 'number' || seconds > exp + LEEWAY) refuse('it has expired, or has no expiry time')
  if (nbf !== undefined && (typeof nbf !== 'number' || seconds < nbf - LEEWAY)) refuse('it is not valid yet')
  if (iat !== undefined && (typeof iat !== 'number' || seconds < iat - LEEWAY)) refuse('it was issued in the future')
  // Portus writes null for nobody.
  const subject = sub ?? ''
  if (!isText(subject) || CONTROL.test(subject)) refuse('its subject is not a name')
  return { subject, access: accessOf(access), ends: (exp + LEEWAY) * 1000 }
}

/** RFC 7519 §4.1.3: one string or a list of them; some services always send a list. */
function isFor(service: string, aud: Json | undefined): boolean {
  return Array.isArray(aud) ? aud.every(isText) && aud.includes(service) : aud === service
}

function accessOf(value: Json): ResourceActions[] {
  return listIn(value, 'access').map((entry) => {
    if (typeof entry !== 'object' || entry === null || Array.isArray(entry))
      refuse('an entry of its access is not an object')
    const { type, name, actions } = entry as JsonObject
    if (!isText(type) || !isText(name)) refuse('an entry of its access has no type or name')
    const list = listIn(actions, 'actions')
    return { type, name, actions: list.every(isText) ? list : refuse('one of its actions is not a name') }
  })
}

/** Go writes an empty list as null. */
function listIn(value: Json | undefined, what: string): readonly Json[] {
  if (value === null) return []
  return Array.isArray(value) && value.length <= ACCESS_MAX ? value : refuse(`its ${what} is not a list`)
}

function isText(value: Json | undefined): value is string {
  return typeof value === 'string' && value.length <= TEXT_MAX
}

function objectIn(part: string, what: string): JsonObject {
  const bytes = bytesIn(part, what)
  let value: Json
  try {
    value = parseJson(bytes)
  } catch (error) {
    return refuse(`its ${what} is ${reasonOf(error)}`)
  }
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as JsonObject)
    : refuse(`its ${what} is not an object`)
}

/** Decodes base64url, and refuses all but the one encoding of these bytes. */
function bytesIn(part: string, what: string): Buffer {
  const bytes = Buffer.from(part, 'base64url')
  return bytes.toString('base64url') === part ? bytes : refuse(`its ${what} is not base64url`)
}

function refuse(reason: string): never {
  throw new TokenRefused(reason)
}
