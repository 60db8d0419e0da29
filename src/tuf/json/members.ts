import type { Json, JsonObject } from './json.ts'

/**
 * Typed reading of parsed JSON. Every reader takes `fail`, which throws the error that fits the document at hand,
 * and `where`, the place in words for the message.
 */
export type Fail = (text: string) => never

export function objectOf(value: Json | undefined, where: string, fail: Fail): JsonObject {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return fail(`${where} must be an object`)
  return value as JsonObject
}

/** An object without members. It has no prototype either: looking up `__proto__` finds nothing. */
export const NOTHING: JsonObject = Object.freeze(Object.create(null) as JsonObject)

/** An object, or an empty one where Go clients write null or nothing (wire spec §11.1). */
export function objectOrEmpty(value: Json | undefined, where: string, fail: Fail): JsonObject {
  return value === undefined || value === null ? NOTHING : objectOf(value, where, fail)
}

export function listOf(value: Json | undefined, where: string, fail: Fail): readonly Json[] {
  return Array.isArray(value) ? value : fail(`${where} must be a list`)
}

/** A list, or an empty one where Go clients write null or nothing. */
export function listOrEmpty(value: Json | undefined, where: string, fail: Fail): readonly Json[] {
  return value === undefined || value === null ? [] : listOf(value, where, fail)
}

export function textOf(value: Json | undefined, where: string, fail: Fail): string {
  return typeof value === 'string' ? value : fail(`${where} must be a string`)
}

// oxlint-disable-next-line no-control-regex
const CONTROL = /[\u0000-\u001f\u007f]/

/**
 * Refuse control characters in what Go clients keep of a document. Before they publish they write all documents anew, in
 * canonical form, where such a character stays as it is, and fail on that: a single delegate could keep everybody else from
 * publishing, the owner too.
 */
export function refuseControls(text: string, where: string, fail: Fail): void {
  if (CONTROL.test(text)) fail(`${where} has a control character`)
}

/** A number; the parser lets only safe integers through. */
export function integerOf(value: Json | undefined, where: string, fail: Fail): number {
  return typeof value === 'number' ? value : fail(`${where} must be an integer`)
}

/** Bytes in standard base64 with padding, nothing else; Go's decoder takes no other alphabet. */
export function bytesOf(value: Json | undefined, where: string, fail: Fail): Buffer {
  const text = textOf(value, where, fail)
  const bytes = Buffer.from(text, 'base64')
  // Written back it must be the same text: Node's decoder skips what it does not know, and Go hashes key ids over its
  // own encoding of the bytes.
  return bytes.toString('base64') === text ? bytes : fail(`${where} must be standard base64`)
}

/**
 * The members of `hashes`: name of an algorithm → base64. Also those that nobody checks must be readable: one that Go
 * cannot decode makes the whole document, and with it the repository, unreadable to its clients (null counts as empty).
 *
 * @param known algorithms whose values the caller reads
 */
export function refuseUnreadableHashes(hashes: JsonObject, known: readonly string[], where: string, fail: Fail): void {
  refuseVariants(hashes, known, `hashes of ${where}`, fail)
  for (const name in hashes) {
    const value = hashes[name]
    if (known.includes(name)) continue
    refuseControls(name, `the name of a hash of ${where}`, fail)
    if (value === null) continue
    bytesOf(value, `the hash "${name.slice(0, 40)}" of ${where}`, fail)
  }
}

/**
 * Refuse members that a case-insensitive decoder takes for a known one. Go matches `Version` to `version`, so a
 * document with such a member would mean one thing to us and another to its readers (wire spec §19.13).
 * Folding covers the two letters beyond ASCII that Unicode folds to ASCII ones: U+017F and the Kelvin sign.
 */
export function refuseVariants(object: JsonObject, known: readonly string[], where: string, fail: Fail): void {
  for (const name in object) {
    if (known.includes(name)) continue
    const folded = name.toUpperCase().toLowerCase()
    if (known.includes(folded)) fail(`${where} has a member "${name}" that some decoders read as "${folded}"`)
  }
}

/** As refuseVariants, and refuse unknown members too: for places that no signature covers. */
export function refuseUnknown(object: JsonObject, known: readonly string[], where: string, fail: Fail): void {
  refuseVariants(object, known, where, fail)
  for (const name of Object.keys(object)) {
    if (!known.includes(name)) fail(`${where} has an unknown member "${name.slice(0, 40)}"`)
  }
}
