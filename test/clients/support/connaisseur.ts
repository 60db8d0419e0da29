import assert from 'node:assert/strict'
import { createHash, createPublicKey, verify, type KeyObject } from 'node:crypto'
import type { DelegationEntry, FileMeta, SignatureEntry } from '../../support/metadata-file.ts'
import type { Endpoint } from '../../support/exchange.ts'
import type { KeyEntry } from '../../support/test-key.ts'
import { ConnaisseurRequests } from './connaisseur-requests.ts'

type KeyEntries = Readonly<Record<string, KeyEntry>>
type Meta = Readonly<Record<string, FileMeta>>
type Keys = ReadonlyMap<string, KeyObject>

interface File {
  readonly signed: {
    readonly expires: string
    readonly keys: KeyEntries
    readonly meta: Meta
    readonly targets: Meta
    readonly delegations: { readonly keys: KeyEntries; readonly roles: readonly DelegationEntry[] }
  }
  readonly signatures: readonly SignatureEntry[]
}

/** Connaisseur's configuration for an image. */
export interface Rule {
  readonly gun: string
  readonly rootKey: KeyObject
  /** `user:password` */
  readonly auth?: string
  /** Its clock, in milliseconds since 1970. */
  readonly now: number
  /** Signers whose signatures are required; if empty, `targets/releases` counts where it exists. */
  readonly delegations?: readonly string[]
}

/**
 * Verifies like Connaisseur before 3.4 (connaisseur/validators/notaryv1 and connaisseur/res of version 3.3.4): the same
 * requests, accepted files and verification, all of its own. Later versions verify with Notary's library.
 *
 * @returns digest of the tag, standard base64
 * @throws Error why it does not admit the image
 */
export async function admit(server: Endpoint, rule: Rule, tag: string): Promise<string> {
  const requests = new ConnaisseurRequests(server, rule.gun, rule.auth)
  const read = async (role: string): Promise<File> => JSON.parse(await requests.read(role)) as File
  const root = await read('root')
  const [timestamp, snapshot, targets] = await Promise.all([read('timestamp'), read('snapshot'), read('targets')])
  // Whatever key they name, all signatures of root must be by the one key in the configuration.
  verifyFile('root', root, () => rule.rootKey, rule.now)
  const keys = load(root.signed.keys, root.signatures, /^ecdsa(-x509)?$/)
  const keyOf = (id: string): KeyObject | undefined => keys.get(id)
  verifyFile('timestamp', timestamp, keyOf, rule.now)
  verifyFile('snapshot', snapshot, keyOf, rule.now, timestamp.signed.meta)
  verifyHash('root', root, snapshot.signed.meta)
  verifyFile('targets', targets, keyOf, rule.now, snapshot.signed.meta)
  const { delegations } = targets.signed
  if (delegations.roles.length === 0 && rule.delegations === undefined) return digestIn(targets, tag)
  const theirs = load(delegations.keys, [], /^ecdsa$/)
  const digests = new Set<string>()
  for (const role of (rule.delegations ?? ['releases']).map((name) => `targets/${name}`)) {
    if (!delegations.roles.some(({ name }) => name === role)) throw new Error(`no ${role}`)
    const file = await read(role)
    verifyFile(role, file, (id) => keys.get(id) ?? theirs.get(id), rule.now, snapshot.signed.meta)
    digests.add(digestIn(file, tag))
  }
  assert.equal(digests.size, 1, 'several digests')
  return [...digests][0]!
}

/** Returns keys by id, except those that signed this file, which alone may be certificates. */
function load(entries: KeyEntries, signatures: readonly SignatureEntry[], types: RegExp): Keys {
  const keys = new Map<string, KeyObject>()
  for (const [id, { keytype, keyval }] of Object.entries(entries)) {
    if (!types.test(keytype)) throw new Error(`keytype ${keytype}`)
    if (keyval.private === undefined) throw new Error('no private')
    if (signatures.some(({ keyid }) => keyid === id)) continue
    keys.set(id, createPublicKey({ key: Buffer.from(keyval.public, 'base64'), format: 'der', type: 'spki' }))
  }
  return keys
}

function verifyFile(
  role: string,
  file: File,
  keyOf: (id: string) => KeyObject | undefined,
  now: number,
  meta?: Meta,
): void {
  const { signed, signatures } = file
  // In the file's order of members, not that of canonical JSON.
  const message = Buffer.from(JSON.stringify(signed))
  for (const { keyid, method, sig } of signatures) {
    if (method !== 'ecdsa') throw new Error(`${role}: method ${method}`)
    const key = keyOf(keyid)
    if (key === undefined) throw new Error(`${role}: no key ${keyid}`)
    const good = verify('sha256', message, { key, dsaEncoding: 'ieee-p1363' }, Buffer.from(sig, 'base64'))
    if (!good) throw new Error(`${role}: bad signature`)
  }
  if (Date.parse(signed.expires) < now) throw new Error(`${role}: expired`)
  if (meta !== undefined) verifyHash(role, file, meta)
}

/** Hashes the re-serialized file, so other members or another order make another hash. */
function verifyHash(role: string, { signed, signatures }: File, meta: Meta): void {
  const bytes = Buffer.from(JSON.stringify({ signed, signatures }))
  const sha256 = createHash('sha256').update(bytes).digest('base64')
  const { hashes, length } = meta[role] ?? {}
  if (hashes?.['sha256'] !== sha256 || length !== bytes.length) throw new Error(`${role}: other bytes`)
}

function digestIn({ signed }: File, tag: string): string {
  const entry = signed.targets[tag]
  if (entry === undefined) throw new Error(`no ${tag}`)
  return entry.hashes['sha256']!
}
