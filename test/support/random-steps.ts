import * as fc from 'fast-check'
import { certifiedKey, makeKey, makeRootKey, type TestKey } from './test-key.ts'
import type { TargetsPayload } from './metadata-file.ts'
import type { TrustWorld } from './trust-world.ts'

const NAMES = ['targets/releases', 'targets/a', 'targets/a/b', 'targets/a/b/c']

/** Publishers' keys, made once, since RSA is slow. The first kind can be root keys too. */
const certifiable = [
  ...['P-256', 'P-256', 'P-256', 'P-384', 'P-521'].map((curve) => makeKey('ecdsa', { curve })),
  makeKey('rsa'),
]
const others = [makeKey('ed25519'), makeKey('ed25519'), inCertificate(makeKey('ecdsa')), inCertificate(makeKey('rsa'))]
const pool = [...certifiable, ...others]

function inCertificate(key: TestKey): TestKey {
  const { entry } = makeRootKey('somebody', Date.now(), { key })
  return certifiedKey(key, Buffer.from(entry.keyval.public, 'base64').toString())
}

/** What a publisher does, and what is odd about how it is sent. `at` selects among what exists. */
export const randomStep = fc.record({
  action: fc.constantFrom(
    ...[
      'add',
      'add',
      'delegate',
      'delegate',
      'sign',
      'sign',
      'undelegate',
      'all',
      'root',
      'root and targets',
      'timestamp key',
    ],
    ...['snapshot to server', 'snapshot to client'],
  ),
  sent: fc.constantFrom(
    ...['well', 'well', 'well', 'well', 'well', 'well', 'again', 'late', 'same version', 'versions skipped'],
    ...['without snapshot', 'without old root keys'],
  ),
  keys: fc.uniqueArray(fc.nat(pool.length - 1), { minLength: 1, maxLength: 3 }),
  all: fc.boolean(),
  at: fc.nat(1_000),
})
export type RandomStep = typeof randomStep extends fc.Arbitrary<infer Value> ? Value : never

/** The keys that a step uses: the same ones in each world where it is done. */
export interface StepKeys {
  readonly keys: readonly TestKey[]
  readonly rootKeys: readonly TestKey[]
}

export function keysOf(step: RandomStep, gun: string): StepKeys {
  const distinct = [...new Set(step.keys.map((place) => certifiable[place % certifiable.length]!))]
  const rootKeys = distinct.map((key) => makeRootKey(gun, Date.now(), { key }))
  return { keys: step.keys.map((place) => pool[place]!), rootKeys }
}

/** Returns the delegations that a reader reaches, through those already signed. */
function reached(world: TrustWorld, role = 'targets'): string[] {
  const { delegations } = world.payload(role) as TargetsPayload
  return delegations.roles.flatMap(({ name }) => [name, ...(world.files.has(name) ? reached(world, name) : [])])
}

const parentOf = (role: string): string => role.slice(0, role.lastIndexOf('/'))

/** Does a step in a world, without signing. @returns the roles to sign with the next version */
export async function act(world: TrustWorld, step: RandomStep, { keys, rootKeys }: StepKeys): Promise<string[]> {
  const { action, at } = step
  const delegated = reached(world)
  const threshold = step.all ? keys.length : 1
  const chosen = delegated[at % Math.max(1, delegated.length)]
  const target = `${at % 2 === 0 ? 'in/' : ''}v${at % 7}`
  if (action === 'root') {
    const inForce = (world.signers.get('root') ?? []).filter(({ id }) => world.root.roles['root']!.keyids.includes(id))
    world.setKeys('root', rootKeys, step.all ? rootKeys.length : 1)
    if (step.sent !== 'without old root keys') world.signers.set('root', [...inForce, ...rootKeys])
    return ['root']
  }
  if (action === 'root and targets') {
    world.setKeys('targets', keys, threshold)
    return ['root', 'targets']
  }
  if (action === 'timestamp key') {
    world.nameServerKey('timestamp', await world.serverKeys('timestamp', 'next'))
    return ['root']
  }
  if (action === 'snapshot to server') {
    world.nameServerKey('snapshot', await world.serverKeys('snapshot', 'next'))
    return ['root']
  }
  if (action === 'snapshot to client') {
    world.setKeys('snapshot', keys, threshold)
    return ['root']
  }
  if (action === 'delegate') {
    const possible = NAMES.filter((name) => parentOf(name) === 'targets' || delegated.includes(parentOf(name)))
    const name = possible[at % possible.length]!
    world.delegate(name, keys, { threshold, paths: at % 3 === 0 ? ['in/'] : [''] })
    if (at % 5 < 2) return [parentOf(name)]
    world.addTarget(target, name)
    return [parentOf(name), name]
  }
  if (action === 'undelegate' && chosen !== undefined) {
    const { delegations } = world.payload(parentOf(chosen)) as TargetsPayload
    delegations.roles = delegations.roles.filter(({ name }) => name !== chosen)
    return [parentOf(chosen)]
  }
  const roles = action === 'all' ? ['targets', ...delegated] : [action === 'sign' ? (chosen ?? 'targets') : 'targets']
  for (const role of roles) world.addTarget(target, role)
  return action === 'all' ? ['root', ...roles] : roles
}
