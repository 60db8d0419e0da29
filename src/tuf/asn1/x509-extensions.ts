import { isAscii } from 'node:buffer'
import { derChildren, derElement, OCTET_STRING, SEQUENCE, type DerElement } from './der.ts'
import { isBitString, isCount, isOid } from './x509-fields.ts'

export interface Extension {
  readonly critical: boolean
  /** The content of its OCTET STRING; undefined unless that is a single DER element. */
  readonly value: DerElement | undefined
}

type Check = (extension: Extension) => boolean

const BOOLEAN = 0x01
const EXTENSIONS = 0xa3
/** The name of a distribution point, and the full name inside it. */
const POINT_NAME = 0xa0
const FULL_NAME = 0xa0
/** The kinds of alternative names that Go parses. */
const EMAIL = 0x81
const DNS = 0x82
const URI = 0x86
const IP = 0x87
/**
 * Stricter than Go: a URI with a host name, or an opaque one (`tag:`, `urn:`), without a fragment and without escapes,
 * which could be malformed.
 */
const PLAIN_URI = /^[a-z][a-z0-9+.-]*:(?:\/\/[\w-]+(?:\.[\w-]+)*(?::[0-9]{1,5})?(?:[/?][!"$&-~]*)?|(?!\/)[!"$&-~]*)$/i
/** The prefix of an IPv4 address written as IPv6. */
const MAPPED_IP = Buffer.from('00000000000000000000ffff', 'hex')

/** For what CA certificates say about the names and policies below them: Go parses it, but no root key needs it. */
const refused: Check = () => false

/** The OID of basic constraints, 2.5.29.19, in hex. */
export const BASIC_CONSTRAINTS = '551d13'

/** For each extension that Go parses, by the hex of its OID: what must hold for Go to read the certificate. */
const CHECKS: ReadonlyMap<string, Check> = new Map<string, Check>([
  ['551d0e', ({ critical, value }) => !critical && value?.tag === OCTET_STRING], // subject key identifier
  ['551d0f', ({ value }) => isBitString(value)], // key usage
  ['551d11', ({ value }) => all(value, isAlternativeName)], // subject alternative name
  [BASIC_CONSTRAINTS, ({ value }) => isBasicConstraints(value)],
  ['551d1e', refused], // name constraints
  ['551d1f', ({ value }) => all(value, isDistributionPoint)], // revocation lists
  ['551d20', ({ value }) => isPolicies(value)], // certificate policies
  ['551d21', refused], // policy mappings
  ['551d23', ({ critical, value }) => !critical && derChildren(value, SEQUENCE) !== undefined], // authority key
  ['551d24', refused], // policy constraints
  ['551d25', ({ value }) => all(value, isOid)], // extended key usage
  ['551d36', refused], // inhibit any policy
  ['2b06010505070101', ({ critical, value }) => !critical && all(value, beginsWithOid)], // authority information access
])

/** Reads a certificate's extensions. @returns them by OID in hex; undefined if one is malformed or repeated, as in Go */
export function readExtensions(wrapper: DerElement | undefined): ReadonlyMap<string, Extension> | undefined {
  const list = wrapper?.tag === EXTENSIONS ? derChildren(derElement(wrapper.content), SEQUENCE) : undefined
  if (list === undefined) return undefined
  const extensions = new Map<string, Extension>()
  for (const item of list) {
    const members = derChildren(item, SEQUENCE) ?? []
    const id = members[0]
    const octets = members.at(-1)
    // `critical` defaults to false.
    const critical = members.length === 2 ? false : members.length === 3 ? readBoolean(members[1]) : undefined
    if (!isOid(id) || critical === undefined || octets?.tag !== OCTET_STRING) return undefined
    const name = id.content.toString('hex')
    const extension = { critical, value: derElement(octets.content) }
    if (extensions.has(name) || CHECKS.get(name)?.(extension) === false) return undefined
    extensions.set(name, extension)
  }
  return extensions
}

/** True if these basic constraints say "CA". */
export function saysCa(constraints: Extension | undefined): boolean {
  return readBoolean(derChildren(constraints?.value, SEQUENCE)?.[0]) === true
}

function readBoolean(element: DerElement | undefined): boolean | undefined {
  const [value, ...more] = element?.tag === BOOLEAN ? element.content : []
  return more.length === 0 && (value === 0x00 || value === 0xff) ? value === 0xff : undefined
}

/** True for a sequence whose members all pass the check. */
function all(sequence: DerElement | undefined, check: (member: DerElement) => boolean): boolean {
  return derChildren(sequence, SEQUENCE)?.every(check) === true
}

function isBasicConstraints(value: DerElement | undefined): boolean {
  const members = derChildren(value, SEQUENCE)
  const rest = readBoolean(members?.[0]) === undefined ? members : members?.slice(1)
  const [pathLength] = rest ?? []
  return rest?.length === 0 || (rest?.length === 1 && isCount(pathLength) && pathLength.content.length <= 4)
}

function isAlternativeName({ tag, content }: DerElement): boolean {
  if (tag === EMAIL || tag === DNS) return isAscii(content)
  if (tag === URI) return PLAIN_URI.test(content.toString('latin1'))
  if (tag !== IP) return true
  return content.length === 4 || (content.length === 16 && !content.subarray(0, MAPPED_IP.length).equals(MAPPED_IP))
}

function beginsWithOid(element: DerElement): boolean {
  return isOid(derChildren(element, SEQUENCE)?.[0])
}

function isPolicies(value: DerElement | undefined): boolean {
  const policies = derChildren(value, SEQUENCE)?.map((policy) => derChildren(policy, SEQUENCE)?.[0])
  const ids = new Set(policies?.map((id) => (isOid(id) ? id.content.toString('hex') : '')))
  return ids.size === policies?.length && !ids.has('')
}

/** True for a distribution point whose name, if it has one, is a full name: Go does not read the other kind. */
function isDistributionPoint(element: DerElement): boolean {
  const members = derChildren(element, SEQUENCE)
  const name = members?.[0]
  if (name?.tag !== POINT_NAME) return members !== undefined
  return derChildren(derChildren(name, POINT_NAME)?.[0], FULL_NAME) !== undefined
}
