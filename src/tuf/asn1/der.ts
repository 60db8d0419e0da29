/** Tags of the elements in keys, signatures and certificates. */
export const INTEGER = 0x02
export const OCTET_STRING = 0x04
export const SEQUENCE = 0x30

/** One element of a DER encoding. */
export interface DerElement {
  readonly tag: number
  readonly content: Buffer
  /** The whole element, with tag and length. */
  readonly bytes: Buffer
}

/**
 * Splits DER into its consecutive elements. Stricter than BER: only low tag numbers, only definite lengths in their
 * shortest form, and nothing left over.
 *
 * @returns undefined if the bytes are not DER
 */
export function derElements(bytes: Buffer): DerElement[] | undefined {
  const elements: DerElement[] = []
  let at = 0
  while (at < bytes.length) {
    const tag = bytes.readUInt8(at)
    const header = lengthAt(bytes, at + 1)
    if ((tag & 0x1f) === 0x1f || header === undefined) return undefined
    const start = at + 1 + header.size
    const end = start + header.length
    if (end > bytes.length) return undefined
    elements.push({ tag, content: bytes.subarray(start, end), bytes: bytes.subarray(at, end) })
    at = end
  }
  return elements
}

/** Reads DER that is one element and nothing else. @returns undefined for anything else */
export function derElement(bytes: Buffer | undefined): DerElement | undefined {
  const elements = bytes && derElements(bytes)
  return elements?.length === 1 ? elements[0] : undefined
}

/** Returns the children of an element; undefined if it has another tag or its content is not DER. */
export function derChildren(element: DerElement | undefined, tag: number): DerElement[] | undefined {
  return element?.tag === tag ? derElements(element.content) : undefined
}

/** Reads a length of at most three bytes, 16 MiB; `size` is the number of bytes that its encoding takes. */
function lengthAt(bytes: Buffer, at: number): { size: number; length: number } | undefined {
  const first = bytes[at]
  if (first === undefined || first < 0x80) return first === undefined ? undefined : { size: 1, length: first }
  const count = first - 0x80
  if (count < 1 || count > 3 || at + 1 + count > bytes.length) return undefined
  const length = bytes.readUIntBE(at + 1, count)
  const shortest = length >= 0x80 && length >= 2 ** (8 * (count - 1))
  return shortest ? { size: 1 + count, length } : undefined
}

/** Encodes an element. @param parts its content, less than 64 KiB together */
export function encodeDer(tag: number, ...parts: readonly Uint8Array[]): Buffer {
  const length = parts.reduce((sum, part) => sum + part.length, 0)
  const size = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff]
  return Buffer.concat([Buffer.of(tag, ...size), ...parts])
}
