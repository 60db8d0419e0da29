import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { TrustError } from '../../src/errors.ts'
import type { ForeignDocument } from '../../src/repository/adoption/offer.ts'
import { prepareRotation } from '../../src/repository/roots/prepare.ts'
import { remove } from '../../src/repository/remove.ts'
import { renewDue } from '../../src/repository/renewal/loop.ts'
import { adoptOn, clientOf, DAY, GUN, importTimestampKey, NOW, publishOn, takeOver } from '../support/adoption.ts'
import { localKeys, openLocalTrust, TEST_ACTOR, type LocalTrust } from '../support/local-trust.ts'
import {
  fileMeta,
  signedFile,
  timeText,
  type MetaPayload,
  type RootPayload,
  type TargetsPayload,
} from '../support/metadata-file.ts'
import type { ReferenceClient } from '../support/reference-client.ts'
import { makeKey, type TestKey } from '../support/test-key.ts'
import { TrustWorld } from '../support/trust-world.ts'
import type { Part } from '../support/upload.ts'

const RELEASES = 'targets/releases'
const THERE = ['add there', 'delegate there', 'end delegation there', 'rotate root there', 'fork there'] as const
const ADOPT = ['adopt', 'adopt', 'adopt an older one'] as const
const HERE = ['add here', 'delegate here', 'delegate here, unsigned', 'end delegation here'] as const
const KEYS = ['take over', 'take over as owner', 'rotate', 'import'] as const
type Action = (typeof THERE | typeof ADOPT | typeof HERE | typeof KEYS)[number] | 'wait'

interface Step {
  readonly action: Action
  readonly at: number
}

const steps = (...actions: Action[]): fc.Arbitrary<Step[]> =>
  fc.array(fc.record({ action: fc.constantFrom(...actions), at: fc.nat() }), { minLength: 3, maxLength: 7 })

/** The steps of a repository's life on this server, until it is deleted. */
const life = fc.tuple(
  steps(...THERE, ...ADOPT, 'wait'),
  steps(...HERE, ...HERE, ...ADOPT, ...KEYS, 'add there', 'wait'),
)

/** A repository on another server; the test has all its keys and every state that it ever had. */
class There {
  readonly states: ForeignDocument[][] = []
  readonly rootKeys: TestKey[] = []
  readonly releasesKey = makeKey('ed25519')
  readonly owner: TrustWorld
  readonly timestampKey: TestKey
  #roots: ForeignDocument[] = []
  #timestamp = 0
  #signedRoot = 0

  constructor(owner: TrustWorld, timestampKey: TestKey) {
    this.owner = owner
    this.timestampKey = timestampKey
    this.publish()
  }

  publish(): void {
    this.states.push(this.#state(this.owner, (this.#timestamp += 1)))
  }

  /** Adds the state of a second server that has the same keys but diverged. */
  fork(): void {
    const other = this.owner.fork()
    other.addTarget('forked')
    other.targets.version += 1
    this.states.unshift(this.#state(other, this.#timestamp + 1))
  }

  act(action: (typeof THERE)[number], at: number): void {
    const { owner } = this
    if (action === 'rotate root there') {
      this.#roots.push({ role: 'root', bytes: owner.files.get('root')! })
      owner.rotateRoot(NOW)
      owner.root.version += 1
    } else {
      owner.targets.version += 1
      if (action === 'add there') owner.addTarget(`v${at % 7}`)
      if (action === 'delegate there') {
        owner.delegate(RELEASES, [this.releasesKey])
        owner.delegations.get(RELEASES)!.version += 1
        owner.addTarget(`r${at % 7}`, RELEASES)
      }
      // The snapshot keeps naming the delegation.
      if (action === 'end delegation there') owner.targets.delegations = { keys: {}, roles: [] }
    }
    this.publish()
  }

  #state(owner: TrustWorld, version: number): ForeignDocument[] {
    for (const key of owner.signers.get('root')!) if (!this.rootKeys.includes(key)) this.rootKeys.push(key)
    const delegated = owner.targets.delegations.roles.map(({ name }) => name)
    // Signing twice gives different bytes, so a root is signed once.
    if (this.#signedRoot !== owner.root.version) owner.sign('root')
    this.#signedRoot = owner.root.version
    const root = { role: 'root', bytes: owner.files.get('root')! }
    const parts = [root, ...owner.parts('targets', ...delegated)]
    const meta = { snapshot: fileMeta(parts.at(-1)!.bytes) }
    const payload = { _type: 'Timestamp', expires: timeText(NOW + 60 * DAY), meta, version }
    const timestamp = { role: 'timestamp', bytes: signedFile(payload, [this.timestampKey]) }
    return [...this.#roots, ...parts, timestamp] as ForeignDocument[]
  }
}

interface Payloads {
  readonly root: RootPayload
  readonly targets: TargetsPayload
  readonly snapshot: MetaPayload
}

/** The owner, who changes what is stored here now. */
class Owner {
  readonly here: LocalTrust
  readonly there: There
  readonly holdsSnapshots: boolean

  constructor(here: LocalTrust, there: There, holdsSnapshots: boolean) {
    this.here = here
    this.there = there
    this.holdsSnapshots = holdsSnapshots
  }

  payload<Role extends keyof Payloads>(role: Role): Payloads[Role] {
    const { store } = this.here.trust
    const { sha256 } = store.head(GUN)!.roles[role]!
    const { bytes } = store.document(GUN, role, { sha256 })!
    return (JSON.parse(String(Buffer.from(bytes))) as { signed: Payloads[Role] }).signed
  }

  keyOf(role: string): TestKey {
    return this.there.owner.signers.get(role)![0]!
  }

  signsSnapshots(): boolean {
    const { keyids } = this.payload('root').roles['snapshot']!
    return this.holdsSnapshots && keyids.includes(this.keyOf('snapshot').id)
  }

  /** Returns whether the owner can publish without a new root. */
  canPublish(): boolean {
    const head = this.here.trust.store.head(GUN)
    if (head?.roles['root'] === undefined || head.renewAt === null) return false
    const { keyids } = this.payload('root').roles['snapshot']!
    return this.signsSnapshots() || this.here.trust.store.keyOwner(keyids[0]!) !== undefined
  }

  /** Adds a snapshot as notary does, which keeps naming all that it named. */
  withSnapshot(parts: Part[]): Part[] {
    if (!this.signsSnapshots()) return parts
    const snapshot = this.payload('snapshot')
    for (const { role, bytes } of parts) snapshot.meta[role] = fileMeta(bytes)
    snapshot.version += 1
    return [...parts, { role: 'snapshot', bytes: signedFile(snapshot, [this.keyOf('snapshot')]) }]
  }

  async publish({ action, at }: Step): Promise<void> {
    const targets = this.payload('targets')
    const parts: Part[] = []
    targets.version += 1
    targets.targets[`here${at % 7}`] = fileMeta(Buffer.from('here'))
    if (action === 'end delegation here') targets.delegations = { keys: {}, roles: [] }
    if (action.startsWith('delegate here')) {
      const key = this.there.releasesKey
      const entry = { keyids: [key.id], name: RELEASES, paths: [''], threshold: 1 }
      targets.delegations = { keys: { [key.id]: key.entry }, roles: [entry] }
      const version = (this.here.trust.store.head(GUN)!.highest[RELEASES] ?? 0) + 1
      const payload = {
        _type: 'Targets',
        delegations: { keys: {}, roles: [] },
        expires: targets.expires,
        targets: {},
        version,
      }
      if (action === 'delegate here') parts.push({ role: RELEASES, bytes: signedFile(payload, [key]) })
    }
    parts.push({ role: 'targets', bytes: signedFile(targets, [this.keyOf('targets')]) })
    await publishOn(this.here, this.withSnapshot(parts))
  }

  /** Does what `notary key rotate GUN timestamp -r` does. */
  async takeOver(): Promise<void> {
    const root = this.payload('root')
    const entry = await localKeys(this.here.trust, GUN)('timestamp', 'next')
    const named = new TrustWorld(
      GUN,
      () => Promise.reject(new Error()),
      root,
      this.payload('targets'),
      this.payload('snapshot'),
    )
    named.nameServerKey('timestamp', entry)
    root.version += 1
    const keys = this.there.rootKeys.filter(({ id }) => root.roles['root']!.keyids.includes(id))
    await publishOn(this.here, this.withSnapshot([{ role: 'root', bytes: signedFile(root, keys) }]))
  }

  async rotate(roles: readonly ('snapshot' | 'timestamp')[]): Promise<void> {
    const root = this.payload('root')
    const signers = new Map([['root', this.there.rootKeys]])
    await takeOver({ here: this.here, owner: { signers, root } as TrustWorld }, ({ trust, clock }, head) =>
      prepareRotation(trust, GUN, head, clock.now, roles),
    )
  }
}

/** Two servers, the repository's owner, and clients that cache what they have read here. */
class Play {
  readonly here: LocalTrust
  readonly there: There
  readonly owner: Owner
  clients: ReferenceClient[] = []

  constructor(here: LocalTrust, there: There, owner: Owner) {
    this.here = here
    this.there = there
    this.owner = owner
  }

  async act({ action, at }: Step): Promise<unknown> {
    const { here, there, owner } = this
    const { states } = there
    if (action === 'fork there') return there.fork()
    if (action === 'wait') return (here.clock.now += (1 + (at % 6)) * DAY)
    if (isThere(action)) return there.act(action, at)
    if (action === 'adopt') return adoptOn(here, states.at(-1)!)
    if (action === 'adopt an older one') return adoptOn(here, states[at % states.length]!)
    if (action === 'import') return importTimestampKey(here, there.timestampKey)
    if (action === 'rotate') return owner.rotate(['timestamp'])
    if (action === 'take over as owner') return owner.takeOver()
    return action === 'take over' ? owner.rotate(['snapshot']) : owner.publish({ action, at })
  }

  /** Returns whether the action must not be refused. */
  mustSucceed(action: Action): boolean {
    const head = this.here.trust.store.head(GUN)
    if (action === 'adopt') return head?.roles['root'] === undefined
    if (action === 'take over' || action === 'import') return true
    if (action === 'take over as owner') return this.owner.signsSnapshots()
    return HERE.some((each) => each === action) && action !== 'delegate here, unsigned' && this.owner.canPublish()
  }

  async step(step: Step): Promise<void> {
    const { trust, clock } = this.here
    const before = trust.store.head(GUN)
    const must = this.mustSucceed(step.action)
    const done = await this.act(step).then(
      () => true,
      (error: unknown) => {
        if (must || !(error instanceof TrustError)) throw error
        return false
      },
    )
    const after = trust.store.head(GUN)
    if (!done) assert.deepEqual(after?.roles, before?.roles)
    // What this server signs is not replaced; a state from elsewhere that leaves nothing behind is no error.
    if (done && step.action.startsWith('adopt') && before?.renewAt != null) assert.deepEqual(after, before)
    await renewDue(trust)
    const { findings } = await this.here.check()
    assert.deepEqual(
      findings.filter(({ severity }) => severity === 'error'),
      [],
    )
    const head = trust.store.head(GUN)
    if (head?.roles['root'] === undefined) return
    const [timestampKey = ''] = this.owner.payload('root').roles['timestamp']!.keyids
    assert.equal(head.renewAt !== null, trust.store.keyOwner(timestampKey) !== undefined)
    if (head.roles['timestamp']!.expires < clock.now) return assert.equal(head.renewAt, null)
    for (const client of this.clients) await client.update()
    const fresh = clientOf(this.here)
    await fresh.update()
    this.clients.push(fresh)
  }
}

test('through adoptions, takeovers, publishes and deletes the store stays sound and clients can follow', async () => {
  await fc.assert(
    fc.asyncProperty(life, fc.option(life), fc.boolean(), async (first, second, holdsSnapshots) => {
      const here = await openLocalTrust(NOW)
      const key = makeKey('ed25519')
      const there = new There(await TrustWorld.create({ gun: GUN, now: NOW, serverKeys: async () => key.entry }), key)
      const play = new Play(here, there, new Owner(here, there, holdsSnapshots))
      try {
        for (const [before, after] of second === null ? [first] : [first, second]) {
          for (const step of [...before, { action: 'adopt', at: 0 } as const, ...after]) await play.step(step)
          await remove(here.trust, GUN, TEST_ACTOR)
          play.clients = []
        }
      } finally {
        await here.close()
      }
    }),
    { numRuns: 30, seed: 5 },
  )
})

function isThere(action: Action): action is (typeof THERE)[number] {
  return THERE.some((each) => each === action)
}
