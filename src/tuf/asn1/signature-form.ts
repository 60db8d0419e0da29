import { derChildren, derElements, encodeDer, INTEGER, SEQUENCE } from './der.ts'

/** Converts ECDSA signatures between their two forms: metadata uses r ‖ s, OpenSSL DER. */

/** Converts r ‖ s to DER: a SEQUENCE of two non-negative INTEGERs without superfluous zeros. */
export function derSignature(sig: Uint8Array): Buffer {
  const half = sig.length / 2
  return encodeDer(SEQUENCE, derInteger(sig.subarray(0, half)), derInteger(sig.subarray(half)))
}

function derInteger(bytes: Uint8Array): Buffer {
  let start = 0
  while (start < bytes.length - 1 && bytes[start] === 0) start += 1
  const digits = bytes.subarray(start)
  return (digits[0] ?? 0) >= 0x80 ? encodeDer(INTEGER, Buffer.of(0), digits) : encodeDer(INTEGER, digits)
}

/** Converts DER to r ‖ s. @param coordinate bytes of r and of s @throws TypeError if it is not DER, or too long */
export function fixedSignature(der: Buffer, coordinate: number): Buffer {
  const integers = derChildren(derElements(der)?.[0], SEQUENCE) ?? []
  const fixed = Buffer.alloc(2 * coordinate)
  for (const [index, { tag, content }] of integers.entries()) {
    const digits = content[0] === 0 ? content.subarray(1) : content
    if (tag !== INTEGER || index > 1 || digits.length > coordinate) throw new TypeError('not an ECDSA signature')
    digits.copy(fixed, (index + 1) * coordinate - digits.length)
  }
  if (integers.length !== 2) throw new TypeError('not an ECDSA signature')
  return fixed
}
