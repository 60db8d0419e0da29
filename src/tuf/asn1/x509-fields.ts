import { isAscii, isUtf8 } from 'node:buffer'
import { derChildren, INTEGER, SEQUENCE, type DerElement } from './der.ts'

/** One attribute of a name, such as its common name. */
interface NameAttribute {
  /** The content of its OID, in hex. */
  readonly type: string
  /** Undefined for the two types of string that cannot be read as UTF-8: T61String and BMPString. */
  readonly text: string | undefined
}

const BIT_STRING = 0x03
const OID = 0x06
const SET = 0x31
const UTC_TIME = 0x17
const GENERALIZED_TIME = 0x18
const T61_STRING = 0x14
const BMP_STRING = 0x1e
/** Code points that no text may contain: surrogates and noncharacters. */
const RESERVED = /[\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]/

/** The string types that Go reads, and what each may contain. Go refuses a certificate with any other type in a name. */
const TEXTS: ReadonlyMap<number, (content: Buffer) => boolean> = new Map<number, (content: Buffer) => boolean>([
  [0x0c, isUtf8],
  [0x12, (content) => /^[0-9 ]*$/.test(content.toString('latin1'))], // NumericString
  // PrintableString. Go also accepts `*` and `&`.
  [0x13, (content) => /^[A-Za-z0-9'()+,\-./ :=?*&]*$/.test(content.toString('latin1'))],
  [0x16, isAscii], // IA5String
  [T61_STRING, () => true],
  [
    BMP_STRING,
    (content) => content.length % 2 === 0 && !RESERVED.test(Buffer.from(content).swap16().toString('utf16le')),
  ],
])

/** True for an OID whose numbers are in their shortest form and fit in 31 bits. */
export function isOid(element: DerElement | undefined): element is DerElement {
  if (element?.tag !== OID || element.content.length === 0) return false
  let number = 0
  for (const byte of element.content) {
    if (number === 0 && byte === 0x80) return false
    number = number * 0x80 + (byte & 0x7f)
    if (number >= 2 ** 31) return false
    if (byte < 0x80) number = 0
  }
  return (element.content.at(-1) ?? 0x80) < 0x80
}

/** True for a non-negative integer in its shortest form. */
export function isCount(element: DerElement | undefined): element is DerElement {
  const [first = 0x80, second = 0x80] = element?.content ?? []
  return element?.tag === INTEGER && first < 0x80 && (first > 0 || second >= 0x80)
}

/** True for a bit string whose unused bits are zero. */
export function isBitString(element: DerElement | undefined): boolean {
  if (element?.tag !== BIT_STRING || element.content.length === 0) return false
  const { content } = element
  const unused = content.readUInt8()
  return unused === 0 || (unused < 8 && content.length > 1 && content.readUInt8(content.length - 1) % 2 ** unused === 0)
}

/** True for the algorithm of a signature or a key: an OID with at most one parameter. */
export function isAlgorithm(element: DerElement | undefined): element is DerElement {
  const members = derChildren(element, SEQUENCE) ?? []
  return members.length <= 2 && isOid(members[0])
}

/** Reads a name. @returns undefined for one that Go does not read */
export function readName(name: DerElement | undefined): NameAttribute[] | undefined {
  const attributes: NameAttribute[] = []
  for (const set of derChildren(name, SEQUENCE) ?? [undefined]) {
    for (const attribute of derChildren(set, SET) ?? [undefined]) {
      const members = derChildren(attribute, SEQUENCE) ?? []
      const [type, value] = members
      if (members.length !== 2 || !isOid(type) || value === undefined) return undefined
      if (TEXTS.get(value.tag)?.(value.content) !== true) return undefined
      const plain = value.tag !== T61_STRING && value.tag !== BMP_STRING
      attributes.push({ type: type.content.toString('hex'), text: plain ? value.content.toString('utf8') : undefined })
    }
  }
  return attributes
}

/** Reads a time. @returns milliseconds since 1970; undefined unless in the one form of DER: whole seconds, in UTC */
export function readTime(time: DerElement | undefined): number | undefined {
  const text = time?.content.toString('latin1') ?? ''
  if (time?.tag === GENERALIZED_TIME) return parseTime(text)
  // Two-digit years lie between 1950 and 2049.
  return time?.tag === UTC_TIME ? parseTime(`${text < '5' ? '20' : '19'}${text}`) : undefined
}

function parseTime(text: string): number | undefined {
  const iso = text.replace(/^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/, '$1-$2-$3T$4:$5:$6.000Z')
  const ms = Date.parse(iso)
  return !Number.isNaN(ms) && new Date(ms).toISOString() === iso ? ms : undefined
}
