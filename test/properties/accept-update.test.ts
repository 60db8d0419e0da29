import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { TrustError } from '../../src/errors.ts'
import type { Head } from '../../src/store/store.ts'
import { parseGun } from '../../src/tuf/gun.ts'
import { localClient, localKeys, localPublish, openLocalTrust } from '../support/local-trust.ts'
import { makeKey } from '../support/test-key.ts'
import { TrustWorld } from '../support/trust-world.ts'
import type { Part } from '../support/upload.ts'

const GUN = 'docker.io/acme/random'
const NOW = Date.UTC(2026, 10, 24)

/** What a publisher does, and how the upload is damaged on its way. */
const step = fc.record({
  action: fc.constantFrom('add', 'delegate', 'sign-delegation', 'rotate-root', 'rotate-targets', 'nothing', 'old'),
  version: fc.constantFrom(1, 1, 1, 1, 0, 2, 11),
  damage: fc.constantFrom('none', 'none', 'none', 'bit', 'drop', 'swap', 'twice'),
  at: fc.nat(),
})
type Step = typeof step extends fc.Arbitrary<infer Value> ? Value : never

function act(world: TrustWorld, { action, at }: Step): string[] {
  if (action === 'delegate') world.delegate('targets/releases', [makeKey('ed25519')])
  if (action === 'rotate-root') world.rotateRoot(NOW)
  if (action === 'rotate-targets') world.setKeys('targets', [makeKey('ed25519')])
  if (action === 'sign-delegation') {
    if (!world.delegations.has('targets/releases')) return []
    world.addTarget(`r${at % 7}`, 'targets/releases')
    return ['targets/releases']
  }
  if (action === 'rotate-root') return ['root']
  if (action === 'rotate-targets') return ['root', 'targets']
  if (action === 'nothing') return []
  if (action === 'add') world.addTarget(`v${at % 7}`)
  return ['targets']
}

function damaged(parts: Part[], { damage, at }: Step): Part[] {
  const index = at % Math.max(1, parts.length)
  const part = parts[index]
  if (part === undefined || damage === 'none') return parts
  if (damage === 'drop') return parts.toSpliced(index, 1)
  if (damage === 'twice') return [...parts, part]
  if (damage === 'swap') return parts.map((each, place) => (place === index ? { ...each, role: 'snapshot' } : each))
  const bytes = Buffer.from(part.bytes)
  bytes[at % bytes.length] = (bytes[at % bytes.length] ?? 0) ^ (1 << (at & 7))
  return parts.with(index, { ...part, bytes })
}

test('whatever is uploaded, no version goes back, refusals change nothing, and clients read what is accepted', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 8 }), fc.boolean(), async (steps, serverSnapshot) => {
      const local = await openLocalTrust(NOW)
      const { trust } = local
      const gun = parseGun(GUN)
      try {
        const snapshot = serverSnapshot ? 'server' : 'client'
        let world = await TrustWorld.create({ gun, now: NOW, serverKeys: localKeys(trust, gun), snapshot })
        const send = (parts: Part[]): Promise<void> => localPublish(trust, gun, parts)
        await send(world.parts('root', 'targets'))
        const client = localClient(local, gun)
        await client.update()
        for (const each of steps) {
          const before = trust.store.head(gun)
          const attempt = world.fork()
          const roles = act(attempt, each)
          for (const role of roles) attempt.payload(role).version += each.version
          const parts = damaged(attempt.parts(...roles), each)
          const accepted = await send(parts).then(
            () => true,
            (error: unknown) => {
              assert.ok(error instanceof TrustError, String(error))
              return false
            },
          )
          const after = trust.store.head(gun)
          if (accepted) world = attempt
          else assert.deepEqual(after, before)
          mustNotGoBack(before, after)
          await client.update()
          await localClient(local, gun).update()
        }
        assert.deepEqual(
          (await local.check()).findings.filter(({ severity }) => severity === 'error'),
          [],
        )
      } finally {
        await local.close()
      }
    }),
    { numRuns: 25, seed: 20261124 },
  )
})

function mustNotGoBack(before: Head | undefined, after: Head | undefined): void {
  for (const [role, { version }] of Object.entries(before?.roles ?? {})) {
    const now = after?.roles[role]
    // A removed delegation may leave the snapshot.
    if (now === undefined) assert.match(role, /^targets\//)
    else assert.ok(now.version >= version, `${role} went from ${version} to ${now.version}`)
    assert.ok((after?.highest[role] ?? 0) >= version)
  }
}
