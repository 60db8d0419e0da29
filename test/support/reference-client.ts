import { exchange, type Endpoint } from './exchange.ts'
import type { DelegationEntry, FileMeta } from './metadata-file.ts'
import { checkBytes, checkRoot, checkSigned, ClientRefusal, decode, refuse, type Document } from './reference-verify.ts'
import type { KeyEntry } from './test-key.ts'
import { tufPath } from './upload.ts'

/** Bytes that a Notary client reads at most of files of unknown length (wire spec §14.3). */
const TIMESTAMP_MAX = 1024 * 1024
const ROOT_MAX = 100 * 1024 * 1024
/** Most roots walked in one update. */
const ROOTS_MAX = 1_000

/** Fetches a file of the repository: `root.json`, `2.root.json`, `snapshot.<sha256>.json`. */
export type Fetch = (file: string) => Promise<{ status: number; body: Buffer }>

interface ListedTarget {
  readonly name: string
  readonly role: string
  /** Standard base64. */
  readonly sha256: string | undefined
  readonly length: number
}

/** What a client trusts after an update. */
export interface View {
  readonly versions: Readonly<Record<string, number>>
  /** targets first, then delegations in pre-order, without names outside a delegation's paths. */
  readonly targets: readonly ListedTarget[]
  /** Problems that a client prints and ignores: a delegation below its threshold, an unreachable server. */
  readonly warnings: readonly string[]
}

/**
 * A small independent client that behaves like Notary's (wire spec §14), with a cache of its own: the tests' witness.
 * Caches only what was fully verified.
 */
export class ReferenceClient {
  readonly #gun: string
  readonly #fetch: Fetch
  readonly #now: () => number
  #cache = new Map<string, Document>()

  constructor(gun: string, fetch: Fetch | Endpoint, now: () => number) {
    this.#gun = gun
    this.#fetch = typeof fetch === 'function' ? fetch : fetchFrom(fetch, gun)
    this.#now = now
  }

  /** Reads the repository. @throws ClientRefusal with the reason for not trusting it */
  async update(): Promise<View> {
    const cold = this.#cache.get('root') === undefined
    const root = this.#cache.get('root') ?? (await this.#firstRoot())
    try {
      return await this.#pass(root)
    } catch (error) {
      // Retry once with a fresh root; a root that was just read need not be read again.
      if (!(error instanceof ClientRefusal) || cold) throw error
      return this.#pass(await this.#nextRoot(root))
    }
  }

  /** Trusts the first root (trust on first use). */
  async #firstRoot(): Promise<Document> {
    const root = decode(await this.#get('root.json', ROOT_MAX), 'Root')
    checkRoot(root, undefined, this.#gun, this.#now())
    return root
  }

  /** Walks from the trusted root to the newest; each must be signed by the one before it. */
  async #nextRoot(trusted: Document): Promise<Document> {
    const newest = decode(await this.#get('root.json', ROOT_MAX), 'Root')
    const behind = newest.signed.version - trusted.signed.version
    if (behind < 0) refuse(`root: version ${newest.signed.version} is lower than ${trusted.signed.version}`)
    if (behind === 0 && !newest.bytes.equals(trusted.bytes)) refuse('root: other bytes under the same version')
    if (behind > ROOTS_MAX) refuse('root: too many versions to walk')
    let root = trusted
    while (root.signed.version < newest.signed.version) {
      const version = root.signed.version + 1
      const last = version === newest.signed.version
      const next = last ? newest : decode(await this.#get(`${version}.root.json`, ROOT_MAX), 'Root')
      checkRoot(next, root, this.#gun, this.#now(), !last)
      root = next
    }
    return root
  }

  async #pass(root: Document): Promise<View> {
    checkRoot(root, undefined, this.#gun, this.#now())
    const fresh = new Map([['root', root]])
    const warnings: string[] = []
    const { keys, roles } = root.signed
    const timestamp = await this.#timestamp(root, warnings)
    fresh.set('timestamp', timestamp)
    const snapshotMeta = timestamp.signed.meta['snapshot'] ?? refuse('timestamp: names no snapshot')
    const snapshot = await this.#byHash('snapshot', 'Snapshot', snapshotMeta, (document) => {
      checkSigned('snapshot', document, roles['snapshot'], keys, this.#now())
    })
    fresh.set('snapshot', snapshot)
    const { meta } = snapshot.signed
    checkBytes('root', root.bytes, meta['root'] ?? refuse('snapshot: names no root'))
    const targets = await this.#byHash('targets', 'Targets', meta['targets'] ?? refuse('no targets'), (document) => {
      checkSigned('targets', document, roles['targets'], keys, this.#now())
    })
    fresh.set('targets', targets)
    const listed = listTargets('targets', targets, [''])
    for (const delegation of targets.signed.delegations?.roles ?? []) {
      listed.push(...(await this.#delegation(delegation, targets, [''], meta, fresh, warnings)))
    }
    this.#cache = fresh
    const versions = Object.fromEntries([...fresh].map(([role, { signed }]) => [role, signed.version]))
    return { versions, targets: listed, warnings }
  }

  async #timestamp(root: Document, warnings: string[]): Promise<Document> {
    const cached = this.#cache.get('timestamp')
    const verified = (document: Document): Document => {
      checkSigned('timestamp', document, root.signed.roles['timestamp'], root.signed.keys, this.#now())
      return document
    }
    const { status, body } = await this.#fetch('timestamp.json')
    if (status !== 200) {
      if (cached === undefined || status === 400) return refuse(`timestamp: the server answers ${status}`)
      warnings.push(`timestamp: the server answers ${status}, using the cached one`)
      return verified(cached)
    }
    if (body.length > TIMESTAMP_MAX) refuse('timestamp: too long')
    const timestamp = verified(decode(body, 'Timestamp'))
    this.#checkVersion('timestamp', timestamp, cached)
    return timestamp
  }

  /** Reads delegations in pre-order; what clients skip becomes a warning. */
  async #delegation(
    delegation: DelegationEntry,
    parent: Document,
    parentPaths: readonly string[],
    meta: Record<string, FileMeta>,
    fresh: Map<string, Document>,
    warnings: string[],
  ): Promise<ListedTarget[]> {
    const { name } = delegation
    const entry = meta[name]
    if (entry === undefined) return []
    const keys: Record<string, KeyEntry> = parent.signed.delegations?.keys ?? {}
    let problem = ''
    const check = (candidate: Document): void => checkSigned(name, candidate, delegation, keys, this.#now())
    const document = await this.#byHash(name, 'Targets', entry, check, (refusal) => {
      problem = refusal.message
    })
    if (problem !== '') {
      warnings.push(`${problem}, skipped`)
      return []
    }
    fresh.set(name, document)
    const paths = (delegation.paths ?? []).filter((path) => parentPaths.some((outer) => path.startsWith(outer)))
    const listed = listTargets(name, document, paths)
    for (const child of document.signed.delegations?.roles ?? []) {
      listed.push(...(await this.#delegation(child, document, paths, meta, fresh, warnings)))
    }
    return listed
  }

  /** Returns the cached file if it is the one named, else the server's, which must not be older. */
  async #byHash(
    role: string,
    type: string,
    meta: FileMeta,
    checkSignatures: (document: Document) => void,
    notSigned: (refusal: ClientRefusal) => void = rethrow,
  ): Promise<Document> {
    const cached = this.#cache.get(role)
    const { sha256 } = meta.hashes
    // Without a sha256, clients ask by name and verify the other hash.
    const file = sha256 === undefined ? role : `${role}.${Buffer.from(sha256, 'base64').toString('hex')}`
    const known = cached !== undefined && isNamed(cached.bytes, meta)
    const bytes = known ? cached.bytes : await this.#get(`${file}.json`, meta.length)
    checkBytes(role, bytes, meta)
    const document = decode(bytes, type)
    try {
      checkSignatures(document)
    } catch (error) {
      if (!(error instanceof ClientRefusal)) throw error
      notSigned(error)
    }
    if (!known && this.#stillSigned(cached, checkSignatures)) this.#checkVersion(role, document, cached)
    return document
  }

  /** A cached file that today's keys did not sign sets no lower bound: this allows recovery from a fast-forward attack. */
  #stillSigned(cached: Document | undefined, checkSignatures: (document: Document) => void): boolean {
    if (cached === undefined) return false
    try {
      checkSignatures(cached)
      return true
    } catch (error) {
      return error instanceof ClientRefusal && error.message.endsWith('expired')
    }
  }

  #checkVersion(role: string, document: Document, cached: Document | undefined): void {
    if (cached === undefined) return
    const [version, seen] = [document.signed.version, cached.signed.version]
    if (version < seen) refuse(`${role}: version ${version} is lower than current version ${seen}`)
    if (version === seen && !document.bytes.equals(cached.bytes)) refuse(`${role}: other bytes under the same version`)
  }

  async #get(file: string, maxLength: number): Promise<Buffer> {
    const { status, body } = await this.#fetch(file)
    if (status !== 200) refuse(`${file}: the server answers ${status}`)
    if (body.length > maxLength) refuse(`${file}: ${body.length} bytes, more than ${maxLength}`)
    return body
  }
}

function rethrow(refusal: ClientRefusal): never {
  throw refusal
}

function isNamed(bytes: Buffer, meta: FileMeta): boolean {
  try {
    checkBytes('', bytes, meta)
    return true
  } catch {
    return false
  }
}

function listTargets(role: string, document: Document, paths: readonly string[]): ListedTarget[] {
  return Object.entries(document.signed.targets ?? {})
    .filter(([name]) => paths.some((path) => name.startsWith(path)))
    .map(([name, { hashes, length }]) => ({ name, role, sha256: hashes['sha256'], length }))
}

/** Fetches files of a repository over HTTP. */
export function fetchFrom(endpoint: Endpoint, gun: string): Fetch {
  return (file) => exchange(endpoint, { path: tufPath(gun, file) })
}
