/** Tags of what keys, signatures and certificates are made of. */
export const INTEGER = 0x02
export const OCTET_STRING = 0x04
export const SEQUENCE = 0x30

/** One element of a DER encoding. */
export interface DerElement {
  readonly tag: number
  readonly content: Buffer
  /** With tag and length. */
  readonly bytes: Buffer
}

/**
 * Split DER into the elements that stand one after the other; strict where BER is not: low tags, definite and shortest
 * lengths, nothing left over.
 *
 * @returns undefined if it is not DER
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

/** The children of an element with this tag; undefined if it is another one, or not DER. */
export function derChildren(element: DerElement | undefined, tag: number): DerElement[] | undefined {
  return element?.tag === tag ? derElements(element.content) : undefined
}

/** A length and how many bytes it takes; at most three bytes of length, 16 MiB. */
function lengthAt(bytes: Buffer, at: number): { size: number; length: number } | undefined {
  const first = bytes[at]
  if (first === undefined || first < 0x80) return first === undefined ? undefined : { size: 1, length: first }
  const count = first - 0x80
  if (count < 1 || count > 3 || at + 1 + count > bytes.length) return undefined
  const length = bytes.readUIntBE(at + 1, count)
  const shortest = length >= 0x80 && length >= 2 ** (8 * (count - 1))
  return shortest ? { size: 1 + count, length } : undefined
}
