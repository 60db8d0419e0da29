import type { Json, JsonObject } from './json.ts'

/**
 * Throws the error that fits the document being read. Every typed reader of parsed JSON in this file takes one, and
 * `where`, which names the place for the message.
 */
export type Fail = (text: string) => never

export function objectOf(value: Json | undefined, where: string, fail: Fail): JsonObject {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return fail(`${where} must be an object`)
  return value as JsonObject
}

/** An empty object without a prototype: looking up `__proto__` finds nothing. */
export const NOTHING: JsonObject = Object.freeze(Object.create(null) as JsonObject)

/** Returns an object, or an empty one if the value is null or missing, as Go clients write it (wire spec §11.1). */
export function objectOrEmpty(value: Json | undefined, where: string, fail: Fail): JsonObject {
  return value === undefined || value === null ? NOTHING : objectOf(value, where, fail)
}

export function listOf(value: Json | undefined, where: string, fail: Fail): readonly Json[] {
  return Array.isArray(value) ? value : fail(`${where} must be a list`)
}

/** Returns a list, or an empty one if the value is null or missing, as Go clients write it. */
export function listOrEmpty(value: Json | undefined, where: string, fail: Fail): readonly Json[] {
  return value === undefined || value === null ? [] : listOf(value, where, fail)
}

export function textOf(value: Json | undefined, where: string, fail: Fail): string {
  return typeof value === 'string' ? value : fail(`${where} must be a string`)
}

// oxlint-disable-next-line no-control-regex
const CONTROL = /[\u0000-\u001f\u007f]/

/**
 * Refuses control characters in text that Go clients keep. Before publishing, they rewrite all documents in canonical
 * form, which leaves such a character raw, and then fail to read it: a single delegate could keep everybody else from
 * publishing, even the owner.
 */
export function refuseControls(text: string, where: string, fail: Fail): void {
  if (CONTROL.test(text)) fail(`${where} has a control character`)
}

/** Returns a number, which is a safe integer: the parser accepts no other. */
export function integerOf(value: Json | undefined, where: string, fail: Fail): number {
  return typeof value === 'number' ? value : fail(`${where} must be an integer`)
}

/** Decodes standard base64 with padding; Go's decoder also takes line breaks, and set bits after the last byte. */
export function bytesOf(value: Json | undefined, where: string, fail: Fail): Buffer {
  const text = textOf(value, where, fail)
  const bytes = Buffer.from(text, 'base64')
  // The bytes must encode to the same text: Node's decoder skips unknown characters, and Go computes key ids over its
  // own encoding of the bytes.
  return bytes.toString('base64') === text ? bytes : fail(`${where} must be standard base64`)
}

/**
 * Refuses members of `hashes` (name of an algorithm → base64) that Go cannot decode, even ones that nobody checks: each
 * makes the whole document, and so the repository, unreadable to Go clients. Null counts as empty.
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
 * Refuses members that a case-insensitive decoder takes for a known one. Go matches `Version` to `version`, so such a
 * document would mean one thing to us and another to its readers (wire spec §19.13).
 * Also folds the two letters that Unicode folds to ASCII ones: U+017F and the Kelvin sign.
 */
export function refuseVariants(object: JsonObject, known: readonly string[], where: string, fail: Fail): void {
  for (const name in object) {
    if (known.includes(name)) continue
    const folded = name.toUpperCase().toLowerCase()
    if (known.includes(folded)) fail(`${where} has a member "${name}" that some decoders read as "${folded}"`)
  }
}

/** As refuseVariants, but refuses unknown members too: for places that no signature covers. */
export function refuseUnknown(object: JsonObject, known: readonly string[], where: string, fail: Fail): void {
  refuseVariants(object, known, where, fail)
  for (const name of Object.keys(object)) {
    if (!known.includes(name)) fail(`${where} has an unknown member "${name.slice(0, 40)}"`)
  }
}
