import { exchange, type Answer, type Endpoint } from './exchange.ts'
import {
  fileMeta,
  signedFile,
  timeText,
  type FileMeta,
  type MetaPayload,
  type RootPayload,
  type TargetsPayload,
} from './metadata-file.ts'
import { makeKey, makeRootKey, keyIdOf, type KeyEntry, type TestKey } from './test-key.ts'
import { tufPath, upload, type Part } from './upload.ts'

const DAY = 86_400_000

/** Asks the server for a role's key: the one in force, or the next one. */
export type ServerKeys = (role: 'timestamp' | 'snapshot', which: 'current' | 'next') => Promise<KeyEntry>

export interface WorldOptions {
  readonly gun: string
  /** Milliseconds since 1970; the server's clock. */
  readonly now: number
  readonly serverKeys: ServerKeys
  /** Who signs the snapshot; default: the publisher, as with `notary init`. */
  readonly snapshot?: 'client' | 'server'
  readonly targetsKey?: TestKey
}

/**
 * A publisher: its keys, and the metadata that it would sign next. Tests can change everything before signing, and the
 * signed bytes before uploading; nothing is checked here.
 */
export class TrustWorld {
  readonly gun: string
  readonly serverKeys: ServerKeys
  root: RootPayload
  targets: TargetsPayload
  snapshot: MetaPayload
  readonly delegations = new Map<string, TargetsPayload>()
  /** Who signs a role; empty for the server's roles. */
  readonly signers = new Map<string, TestKey[]>()
  /** The bytes of each role as last signed. */
  readonly files = new Map<string, Buffer>()

  constructor(gun: string, serverKeys: ServerKeys, root: RootPayload, targets: TargetsPayload, snapshot: MetaPayload) {
    this.gun = gun
    this.serverKeys = serverKeys
    this.root = root
    this.targets = targets
    this.snapshot = snapshot
  }

  /** Creates a publisher with a root, a targets key and one target, ready for `publishFirst`. */
  static async create(options: WorldOptions): Promise<TrustWorld> {
    const { gun, now, serverKeys } = options
    const expires = timeText(now + 3 * 365 * DAY)
    const roles = Object.fromEntries(
      ['root', 'snapshot', 'targets', 'timestamp'].map((role) => [role, { keyids: [], threshold: 1 }]),
    )
    const world = new TrustWorld(
      gun,
      serverKeys,
      { _type: 'Root', consistent_snapshot: false, expires: timeText(now + 3650 * DAY), keys: {}, roles, version: 1 },
      emptyTargets(expires),
      { _type: 'Snapshot', expires, meta: {}, version: 0 },
    )
    world.setKeys('root', [makeRootKey(gun, now)])
    world.setKeys('targets', [options.targetsKey ?? makeKey('ecdsa')])
    world.nameServerKey('timestamp', await serverKeys('timestamp', 'current'))
    if (options.snapshot === 'server') world.nameServerKey('snapshot', await serverKeys('snapshot', 'current'))
    else world.setKeys('snapshot', [makeKey('ecdsa')])
    world.addTarget('v1')
    return world
  }

  /** True if the publisher signs the snapshot itself. */
  get holdsSnapshot(): boolean {
    return (this.signers.get('snapshot') ?? []).length > 0
  }

  /** Returns the payload of a role that the publisher signs. */
  payload(role: string): RootPayload | TargetsPayload | MetaPayload {
    if (role === 'root') return this.root
    if (role === 'targets') return this.targets
    if (role === 'snapshot') return this.snapshot
    const delegation = this.delegations.get(role)
    if (delegation === undefined) throw new Error(`no such delegation: ${role}`)
    return delegation
  }

  /** Makes these the only keys of a base role in root; they sign it from now on. */
  setKeys(role: string, keys: readonly TestKey[], threshold = 1): void {
    for (const key of keys) this.root.keys[key.id] = key.entry
    this.root.roles[role] = { keyids: keys.map((key) => key.id), threshold }
    this.signers.set(role, [...keys])
  }

  /** Adds a new root key; the one that it replaces signs the next root too (wire spec §6.2, rotation). */
  rotateRoot(now: number): void {
    const inForce = (this.signers.get('root') ?? []).filter((key) => this.root.roles['root']?.keyids.includes(key.id))
    const fresh = makeRootKey(this.gun, now)
    this.setKeys('root', [fresh])
    this.signers.set('root', [...inForce, fresh])
  }

  /** Names a key of the server in root; the publisher no longer signs that role. */
  nameServerKey(role: 'timestamp' | 'snapshot', entry: KeyEntry): void {
    const id = keyIdOf(entry)
    this.root.keys[id] = entry
    this.root.roles[role] = { keyids: [id], threshold: 1 }
    this.signers.set(role, [])
  }

  /** Delegates to these keys (`targets/releases`), or changes an existing delegation. */
  delegate(name: string, keys: readonly TestKey[], options: { threshold?: number; paths?: string[] } = {}): void {
    const parent = this.payload(name.slice(0, name.lastIndexOf('/'))) as TargetsPayload
    for (const key of keys) parent.delegations.keys[key.id] = key.entry
    const entry = {
      keyids: keys.map((key) => key.id),
      name,
      paths: options.paths ?? [''],
      threshold: options.threshold ?? 1,
    }
    parent.delegations.roles = [...parent.delegations.roles.filter((role) => role.name !== name), entry]
    this.signers.set(name, [...keys])
    if (!this.delegations.has(name)) this.delegations.set(name, { ...emptyTargets(this.targets.expires), version: 0 })
  }

  addTarget(name: string, role = 'targets', content: FileMeta = fileMeta(Buffer.from(name))): void {
    const payload = this.payload(role) as TargetsPayload
    payload.targets[name] = content
  }

  /** Signs a role as it stands. */
  sign(role: string): Buffer {
    const bytes = signedFile(this.payload(role), this.signers.get(role) ?? [])
    this.files.set(role, bytes)
    return bytes
  }

  /** Signs the next version of the snapshot, which names all files as last signed. */
  signSnapshot(): Buffer {
    this.snapshot.version += 1
    this.snapshot.meta = Object.fromEntries(
      [...this.files].filter(([role]) => role !== 'snapshot').map(([role, bytes]) => [role, fileMeta(bytes)]),
    )
    return this.sign('snapshot')
  }

  /** Signs these roles as they stand, and the snapshot if the publisher holds its key. */
  parts(...roles: string[]): Part[] {
    const parts: Part[] = roles.map((role) => ({ role, bytes: this.sign(role) }))
    if (this.holdsSnapshot) parts.push({ role: 'snapshot', bytes: this.signSnapshot() })
    return parts
  }

  /** Signs the next version of these roles. */
  nextParts(...roles: string[]): Part[] {
    for (const role of roles) this.payload(role).version += 1
    return this.parts(...roles)
  }

  /** @throws Error if the server refuses */
  async publishFirst(endpoint: Endpoint): Promise<void> {
    await this.send(endpoint, this.parts('root', 'targets'))
  }

  /** Publishes the next version of these roles. @throws Error if the server refuses */
  async publish(endpoint: Endpoint, ...roles: string[]): Promise<void> {
    await this.send(endpoint, this.nextParts(...roles))
  }

  /** @throws Error if the server refuses */
  async send(endpoint: Endpoint, parts: readonly Part[]): Promise<void> {
    const answer = await upload(endpoint, this.gun, parts)
    if (answer.status !== 200) throw new Error(`publish refused: ${answer.status} ${answer.body.toString('utf8')}`)
  }

  /** Returns a copy with the same keys that can be changed independently. */
  fork(): TrustWorld {
    const { root, targets, snapshot } = structuredClone({
      root: this.root,
      targets: this.targets,
      snapshot: this.snapshot,
    })
    const copy = new TrustWorld(this.gun, this.serverKeys, root, targets, snapshot)
    for (const [role, payload] of this.delegations) copy.delegations.set(role, structuredClone(payload))
    for (const [role, keys] of this.signers) copy.signers.set(role, [...keys])
    for (const [role, bytes] of this.files) copy.files.set(role, bytes)
    return copy
  }
}

/** Returns targets without entries, version 1. */
function emptyTargets(expires: string): TargetsPayload {
  return { _type: 'Targets', delegations: { keys: {}, roles: [] }, expires, targets: {}, version: 1 }
}

/** Requests the server's keys over HTTP: GET for the one in force, POST for the next (wire spec §7). */
export function keysFrom(endpoint: Endpoint, gun: string): ServerKeys {
  return async (role, which) => {
    const answer: Answer = await exchange(endpoint, {
      method: which === 'current' ? 'GET' : 'POST',
      path: tufPath(gun, `${role}.key`),
    })
    if (answer.status !== 200) throw new Error(`no ${role} key: ${answer.status} ${answer.body.toString('utf8')}`)
    return JSON.parse(answer.body.toString('utf8')) as KeyEntry
  }
}
