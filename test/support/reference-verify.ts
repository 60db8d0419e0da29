import { constants, createHash, createPublicKey, verify, X509Certificate, type KeyObject } from 'node:crypto'
import { canonicalJson } from './canonical-json.ts'
import { pem } from './certificate.ts'
import type { DelegationEntry, FileMeta, RoleEntry, SignatureEntry } from './metadata-file.ts'
import { keyIdOf, type KeyEntry } from './test-key.ts'

/** A client's reason for not trusting what it read. */
export class ClientRefusal extends Error {
  override readonly name = 'ClientRefusal'
}

export function refuse(text: string): never {
  throw new ClientRefusal(text)
}

/** A decoded file, with the members of all types of payload. */
export interface Document {
  readonly bytes: Buffer
  readonly signed: {
    readonly _type: string
    readonly version: number
    readonly expires: string
    readonly keys: Record<string, KeyEntry>
    readonly roles: Record<string, RoleEntry>
    readonly meta: Record<string, FileMeta>
    readonly targets: Record<string, FileMeta> | null
    readonly delegations?: { keys: Record<string, KeyEntry> | null; roles: DelegationEntry[] | null } | null
  }
  readonly signatures: readonly SignatureEntry[]
}

const ED25519_SPKI = Buffer.from('302a300506032b6570032100', 'hex')

/** Decodes a file. A member that differs from a known one only in case would mean something else to Go's decoder. */
export function decode(bytes: Buffer, type: string): Document {
  let parsed: Omit<Document, 'bytes'>
  try {
    parsed = JSON.parse(bytes.toString('utf8')) as Omit<Document, 'bytes'>
  } catch {
    return refuse(`${type} is not JSON`)
  }
  if (typeof parsed.signed !== 'object' || parsed.signed === null) refuse(`${type} has no "signed"`)
  if (!Array.isArray(parsed.signatures)) refuse(`${type} has no list of signatures`)
  for (const name of [...Object.keys(parsed), ...Object.keys(parsed.signed)]) {
    if (/^(signed|signatures|_type|version|expires|keys|roles|meta|targets|delegations)$/i.test(name)) {
      if (name !== name.toLowerCase()) refuse(`${type} has an ambiguous member ${name}`)
    }
  }
  if (parsed.signed['_type'] !== type) refuse(`type is ${parsed.signed['_type']}, not ${type}`)
  if (!Number.isSafeInteger(parsed.signed.version) || parsed.signed.version < 1) refuse(`${type} has a bad version`)
  return { bytes, ...parsed }
}

/** Returns a cache of a function's results: the same bytes are parsed again and again, with the same result. */
function remembered<Answer>(): (asked: string, answer: () => Answer) => Answer {
  const answers = new Map<string, Answer>()
  return (asked, answer) => {
    const known = answers.get(asked)
    if (known !== undefined) return known
    const found = answer()
    answers.set(asked, found)
    return found
  }
}
const messageOf = remembered<Buffer>()
const verdictOn = remembered<boolean>()
const certificateIn = remembered<X509Certificate>()

/** Returns the distinct keys of the role with a valid signature. */
function signersOf(document: Document, keyids: readonly string[], keys: Record<string, KeyEntry>): Set<string> {
  const text = document.bytes.toString('latin1')
  const message = messageOf(text, () => Buffer.from(canonicalJson(document.signed)))
  const good = new Set<string>()
  for (const { keyid, method, sig } of document.signatures) {
    const key = keys[keyid]
    if (key === undefined || !keyids.includes(keyid)) continue
    if (keyIdOf(key) !== keyid) refuse('key ID is not valid for key content')
    const asked = [key.keytype, key.keyval.public, method, sig, text].join(' ')
    const isIt = (): boolean => isGood(key, method.toLowerCase(), Buffer.from(sig, 'base64'), message)
    if (verdictOn(asked, isIt)) good.add(keyid)
  }
  return good
}

/** @throws ClientRefusal if fewer keys than the threshold signed, or the document has expired */
export function checkSigned(
  what: string,
  document: Document,
  role: RoleEntry | undefined,
  keys: Record<string, KeyEntry>,
  now: number,
): void {
  if (role === undefined || role.threshold < 1) return refuse(`${what} is not delegated`)
  if (signersOf(document, role.keyids ?? [], keys).size < role.threshold) refuse(`${what}: threshold not met`)
  if (Date.parse(document.signed.expires) < now) refuse(`${what} expired`)
}

/**
 * Verifies a root by its own certificates, which must name the GUN and be valid, and by the root before it.
 *
 * @param intermediate true: the root is only passed through, so its expiry does not matter
 */
export function checkRoot(
  root: Document,
  previous: Document | undefined,
  gun: string,
  now: number,
  intermediate = false,
): void {
  const own = leafKeys(root, gun, now)
  if (Object.keys(own).length === 0) refuse('root: no valid leaf certificates')
  const { threshold } = root.signed.roles['root'] ?? refuse('root: no root role')
  if (threshold < 1 || signersOf(root, Object.keys(own), own).size < threshold) refuse('root: threshold not met')
  if (previous !== undefined) {
    const old = leafKeys(previous, gun, undefined)
    const needed = previous.signed.roles['root']?.threshold ?? Infinity
    if (signersOf(root, Object.keys(old), old).size < needed) refuse('root: not signed by the root before it')
    if (root.signed.version !== previous.signed.version + 1) refuse('root: version is not the next one')
  }
  if (!intermediate && Date.parse(root.signed.expires) < now) refuse('root expired')
}

/** Rebuilds root keys from their leaf certificates, as Notary's clients do; a key encoded differently drops out. */
function leafKeys(root: Document, gun: string, now: number | undefined): Record<string, KeyEntry> {
  const keys: Record<string, KeyEntry> = {}
  for (const id of root.signed.roles['root']?.keyids ?? []) {
    const entry = root.signed.keys[id] ?? refuse(`root: key ${id} is missing`)
    const text = Buffer.from(entry.keyval.public, 'base64').toString('latin1')
    const blocks = text.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? []
    const certificates = blocks.map((block) => certificateIn(block, () => new X509Certificate(block)))
    const [leaf] = certificates
    if (leaf === undefined || leaf.ca || !matches(leaf, gun)) continue
    if (now !== undefined && (Date.parse(leaf.validTo) < now || Date.parse(leaf.validFrom) > now + 86_400_000)) continue
    const keytype = leaf.publicKey.asymmetricKeyType === 'rsa' ? 'rsa-x509' : 'ecdsa-x509'
    const rewritten = certificates.map((certificate) => pem('CERTIFICATE', certificate.raw)).join('')
    const rebuilt: KeyEntry = {
      keytype,
      keyval: { private: null, public: Buffer.from(rewritten).toString('base64') },
    }
    keys[keyIdOf(rebuilt)] = rebuilt
  }
  return keys
}

function matches(leaf: X509Certificate, gun: string): boolean {
  const name = /(?:^|\n)CN=(.*)$/.exec(leaf.subject)?.[1] ?? ''
  return name === gun || (name.endsWith('*') && gun.startsWith(name.replace(/\*+$/, '')))
}

function isGood(key: KeyEntry, method: string, sig: Buffer, message: Buffer): boolean {
  const bytes = Buffer.from(key.keyval.public, 'base64')
  let parsed: KeyObject
  try {
    if (key.keytype === 'ed25519') {
      parsed = createPublicKey({ key: Buffer.concat([ED25519_SPKI, bytes]), format: 'der', type: 'spki' })
    } else if (key.keytype.endsWith('-x509')) parsed = new X509Certificate(bytes).publicKey
    else parsed = createPublicKey({ key: bytes, format: 'der', type: 'spki' })
  } catch {
    return false
  }
  switch (`${parsed.asymmetricKeyType}:${method}`) {
    case 'ec:ecdsa':
      return verify('sha256', message, { key: parsed, dsaEncoding: 'ieee-p1363' }, sig)
    case 'ed25519:eddsa':
      return verify(null, message, parsed, sig)
    case 'rsa:rsapss':
      return verify('sha256', message, { key: parsed, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 }, sig)
    case 'rsa:rsapkcs1v15':
      return verify('sha256', message, parsed, sig)
    default:
      return false
  }
}

/** Compares bytes with what their parent says of them: length, and every hash. */
export function checkBytes(what: string, bytes: Buffer, meta: FileMeta): void {
  if (bytes.length !== meta.length) refuse(`${what}: ${bytes.length} bytes, not ${meta.length}`)
  if (meta.hashes['sha256'] === undefined && meta.hashes['sha512'] === undefined) refuse(`${what}: no known hash`)
  for (const algorithm of ['sha256', 'sha512']) {
    const hash = meta.hashes[algorithm]
    if (hash !== undefined && createHash(algorithm).update(bytes).digest('base64') !== hash) {
      refuse(`${what}: ${algorithm} does not match`)
    }
  }
}
