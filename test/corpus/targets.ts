import type { TargetsPayload } from '../support/metadata-file.ts'
import { keyIdOf, makeKey, makeRootKey } from '../support/test-key.ts'
import type { TrustWorld } from '../support/trust-world.ts'
import {
  at,
  bad,
  change,
  changeTargets,
  MALFORMED_JSON,
  NOW,
  OK,
  spoil,
  swap,
  uploadCase,
  withSnapshot,
  type Case,
  type Expected,
  type Loose,
} from './case.ts'

const REFUSED = bad('targets')
const SHA256 = Buffer.alloc(32, 7).toString('base64')
const UNUSED_KEY = { keytype: 'x', keyval: { private: null, public: 'AAAA' } }
const SHA512 = Buffer.alloc(64, 7).toString('base64')

/** T4: target entries that a client cannot use. */
function entries(): Case[] {
  const values: Record<string, unknown> = {
    null: null,
    'a list': [],
    'a string': 'x',
    'an empty object': {},
    'without hashes': { length: 1 },
    'with hashes null': { hashes: null, length: 1 },
    'with hashes a list': { hashes: [], length: 1 },
    'with no hash': { hashes: {}, length: 1 },
    'with an md5 only': { hashes: { md5: 'AAAAAAAAAAAAAAAAAAAAAA==' }, length: 1 },
    'with an empty sha256': { hashes: { sha256: '' }, length: 1 },
    'with a sha256 of 31 bytes': { hashes: { sha256: Buffer.alloc(31).toString('base64') }, length: 1 },
    'with a sha256 of 33 bytes': { hashes: { sha256: Buffer.alloc(33).toString('base64') }, length: 1 },
    'with a sha256 in hexadecimal': { hashes: { sha256: Buffer.alloc(32).toString('hex') }, length: 1 },
    'with a sha256 in url-safe base64': { hashes: { sha256: SHA256.replace('c', '_') }, length: 1 },
    'with bits after the last byte of its sha256': { hashes: { sha256: SHA256.replace('c=', 'd=') }, length: 1 },
    'with bits after the last byte of its sha512': { hashes: { sha512: SHA512.replace('w==', 'x==') }, length: 1 },
    'with a sha256 in a list': { hashes: { sha256: [SHA256] }, length: 1 },
    'with a sha256 that is a number': { hashes: { sha256: 7 }, length: 1 },
    'with a short sha512 beside a good sha256': { hashes: { sha256: SHA256, sha512: SHA256 }, length: 1 },
    'with an md5 that is no base64 beside a good sha256': { hashes: { sha256: SHA256, md5: '!!' }, length: 1 },
    'with an md5 that is a number beside a good sha256': { hashes: { sha256: SHA256, md5: 5 }, length: 1 },
    'with SHA256 beside sha256': { hashes: { sha256: SHA256, SHA256 }, length: 1 },
    'without a length': { hashes: { sha256: SHA256 } },
    'with length null': { hashes: { sha256: SHA256 }, length: null },
    'with a negative length': { hashes: { sha256: SHA256 }, length: -1 },
    'with a length in quotes': { hashes: { sha256: SHA256 }, length: '1' },
    'with Length beside length': { hashes: { sha256: SHA256 }, length: 1, Length: 2 },
  }
  return Object.entries(values).map(([what, value]) =>
    uploadCase('T4', `a target ${what}`, REFUSED, (world) =>
      change(world, 'targets', (payload) => (at(payload, 'targets')['bad'] = value)),
    ),
  )
}

/** T5: names. Clients sign any Unicode, `..` and `/` included, but no control characters (wire spec §19.11). */
function names(): Case[] {
  const literals: [string, string, Expected][] = [
    ['empty', '""', REFUSED],
    ['with a NUL', String.raw`"a\u0000b"`, REFUSED],
    ['with a newline', String.raw`"a\nb"`, REFUSED],
    ['with an escape character', String.raw`"\u001b[31m"`, REFUSED],
    ['with DEL', String.raw`"a\u007f"`, REFUSED],
    ['with a lone surrogate', String.raw`"\ud800"`, MALFORMED_JSON],
    ['../../etc/passwd: accepted', '"../../etc/passwd"', OK],
    ['/absolute: accepted', '"/absolute"', OK],
    ['__proto__: accepted', '"__proto__"', OK],
    ['beyond the basic plane: accepted', '"\u{1F600}\uffee"', OK],
    ['of 2000 letters: accepted', `"${'x'.repeat(2_000)}"`, OK],
    ['with <&>: accepted', String.raw`"\u003c\u0026\u003e"`, OK],
  ]
  return literals.map(([what, literal, expected]) =>
    uploadCase('T5', `a target's name ${what}`, expected, (world) =>
      change(world, 'targets', (payload) => {
        const name = JSON.parse(literal) as string
        const targets = Object.entries(at(payload, 'targets'))
        payload['targets'] = Object.fromEntries([...targets, [name, { hashes: { sha256: SHA256 }, length: 1 }]])
      }).map((part) => (part.role === 'targets' && expected === MALFORMED_JSON ? surrogate(world, part.bytes) : part)),
    ),
  )
}

/** Puts back a lone surrogate, which the writer replaces. */
function surrogate(world: TrustWorld, bytes: Uint8Array): { role: string; bytes: Buffer } {
  const spoilt = Buffer.from(swap(Buffer.from(bytes).toString('utf8'), '\ufffd', String.raw`\ud800`))
  world.files.set('targets', spoilt)
  return { role: 'targets', bytes: spoilt }
}

/** T6: delegations. */
function delegations(): Case[] {
  const names = [
    ...['', 'root', 'targets', 'releases', 'targets/', 'targets/a/b', 'targets//a', 'targets/A', 'targets/..'],
    ...['targets/../a', 'targets/a b', 'targets/a.b', '/targets/a', 'targets/é', `targets/${'a'.repeat(250)}`],
  ]
  const byName = names.map((name) =>
    uploadCase('T6', `a delegation to "${name.slice(0, 40)}"`, REFUSED, (world) =>
      changeRole(world, (role) => (role['name'] = name)),
    ),
  )
  const members: [string, unknown][] = [
    ...[0, -1, 2, '1', null, true].map((value) => ['threshold', value] as [string, unknown]),
    ...['x', ['00'], [1], [null]].map((value) => ['keyids', value] as [string, unknown]),
    ...['x', [1], {}].map((value) => ['paths', value] as [string, unknown]),
    ...[1, null, []].map((value) => ['name', value] as [string, unknown]),
    ['Threshold', 1],
    ['KEYIDS', []],
  ]
  const byMember = members.map(([member, value]) =>
    uploadCase('T6', `a delegation with ${member} ${JSON.stringify(value)}`, REFUSED, (world) =>
      changeRole(world, (role) => (role[member] = value)),
    ),
  )
  const wholes: Record<string, (delegations: Loose, world: TrustWorld) => void> = {
    'roles an object': (all) => (all['roles'] = {}),
    'roles [null]': (all) => (all['roles'] = [null]),
    'roles ["x"]': (all) => (all['roles'] = ['x']),
    'keys a list': (all) => (all['keys'] = []),
    'Roles beside roles': (all) => (all['Roles'] = []),
    'one role twice': (all) => (all['roles'] = [...(all['roles'] as unknown[]), ...(all['roles'] as unknown[])]),
    '1001 keys': (all) => {
      for (let n = 0; n < 1_000; n += 1) at(all, 'keys')[`k${n}`] = UNUSED_KEY
    },
    '1001 roles': (all) => (all['roles'] = Array.from({ length: 1_001 }, (_, n) => emptyRole(`targets/r${n}`))),
    'a key null': (all) => (at(all, 'keys')['00'] = null),
    'a key without keyval': (all) => (at(all, 'keys')['00'] = { keytype: 'ecdsa' }),
    'a key whose public is not base64': (all) =>
      (at(all, 'keys')['00'] = { keytype: 'ecdsa', keyval: { private: null, public: '*' } }),
    // Go clients could not write it again, so nobody could publish with them.
    'a control character in a path': (all) => (at(all, 'roles', '0')['paths'] = ['in/\u001b']),
    'a control character in the id of a key': (all) => (at(all, 'keys')['\u001b'] = UNUSED_KEY),
    'a control character in the type of a key': (all) => (at(all, 'keys')['00'] = { ...UNUSED_KEY, keytype: '\u001b' }),
  }
  const byWhole = Object.entries(wholes).map(([what, edit]) =>
    uploadCase('T6', `delegations with ${what}`, REFUSED, (world) =>
      change(world, 'targets', (payload) => edit(at(payload, 'delegations'), world)),
    ),
  )
  return [...byName, ...byMember, ...byWhole]
}

function emptyRole(name: string): Loose {
  return { keyids: [], name, paths: [''], threshold: 1 }
}

function changeRole(world: TrustWorld, edit: (role: Loose) => void): ReturnType<typeof change> {
  return change(world, 'targets', (payload) => edit((at(payload, 'delegations')['roles'] as Loose[])[0] ?? {}))
}

/** T6: keys of delegations. */
function delegationKeys(): Case[] {
  const releases = ({ delegations }: TargetsPayload): TargetsPayload['delegations']['roles'][0] => {
    const [role] = delegations.roles
    if (role === undefined) throw new Error('no delegation to spoil')
    return role
  }
  return [
    uploadCase('T6', 'a delegation with one key pair plain and as a certificate, threshold 2', REFUSED, (world) =>
      changeTargets(world, (payload) => {
        const key = makeKey('ecdsa')
        const certificate = makeRootKey('corpus', NOW, { key })
        for (const { id, entry } of [key, certificate]) payload.delegations.keys[id] = entry
        Object.assign(releases(payload), { keyids: [key.id, certificate.id], threshold: 2 })
      }),
    ),
    uploadCase('T6', "a delegation whose path would be that of another repository's role", REFUSED, (world) => {
      const roles = ['targets/releases', 'targets/releases/_trust', 'targets/releases/_trust/tuf']
      for (const role of [...roles.slice(1), 'targets/releases/_trust/tuf/a']) world.delegate(role, [makeKey('ecdsa')])
      return world.nextParts(...roles)
    }),
    uploadCase('T6', 'a delegation key filed under the id of another', REFUSED, (world) =>
      changeTargets(world, (payload) => {
        const id = releases(payload).keyids[0] ?? ''
        payload.delegations.keys[id] = makeKey('ecdsa').entry
      }),
    ),
    uploadCase('T6', 'a delegation key of an unknown type', REFUSED, (world) =>
      changeTargets(world, (payload) => {
        const entry = { ...makeKey('ecdsa').entry, keytype: 'dilithium' }
        payload.delegations.keys[keyIdOf(entry)] = entry
        releases(payload).keyids = [keyIdOf(entry)]
      }),
    ),
    ...(['SHA-1', 'RSA of 1024 bits'] as const).map((flaw) =>
      uploadCase('T6', `a delegation to a certificate that clients refuse, for its ${flaw}`, REFUSED, (world) =>
        changeTargets(world, (payload) => {
          const flawed = flaw === 'SHA-1' ? ({ digest: 'sha1' } as const) : { key: makeKey('rsa', { bits: 1024 }) }
          const { id, entry } = makeRootKey('corpus', NOW, flawed)
          payload.delegations.keys[id] = entry
          releases(payload).keyids = [id]
        }),
      ),
    ),
    uploadCase('T6', 'a private key among the delegation keys', REFUSED, (world) =>
      change(world, 'targets', (payload) => {
        const key = makeKey('ecdsa')
        const secret = key.privateKey.export({ type: 'pkcs8', format: 'der' }).toString('base64')
        const keyval = { private: secret, public: key.entry.keyval.public }
        at(payload, 'delegations', 'keys')[key.id] = { keytype: 'ecdsa', keyval }
      }),
    ),
    uploadCase('T6', 'a delegation without keys, as purge leaves it: accepted', OK, (world) =>
      changeTargets(world, (payload) => (releases(payload).keyids = [])),
    ),
    uploadCase('T6', 'delegations null: accepted, the role is dropped', OK, (world) =>
      change(world, 'targets', (payload) => (payload['delegations'] = null)),
    ),
    uploadCase('T6', 'roles null, as after the last delegation went: accepted', OK, (world) =>
      change(world, 'targets', (payload) => (at(payload, 'delegations')['roles'] = null)),
    ),
  ]
}

/** T7: delegations that nobody, or somebody else, was given. */
function undelegated(): Case[] {
  const ghost = (world: TrustWorld, name: string): ReturnType<typeof withSnapshot> => {
    world.delegations.set(name, { ...world.targets, delegations: { keys: {}, roles: [] }, version: 1 })
    world.signers.set(name, world.signers.get('targets') ?? [])
    return withSnapshot(world, name, world.sign(name))
  }
  return [
    uploadCase('T7', 'targets/ghost, to which nobody delegates', REFUSED, (world) => ghost(world, 'targets/ghost')),
    uploadCase('T7', 'targets/releases/x, to which releases does not delegate', REFUSED, (world) =>
      ghost(world, 'targets/releases/x'),
    ),
    uploadCase('T7', 'targets/ghost/x, whose parent is not there', REFUSED, (world) => ghost(world, 'targets/ghost/x')),
    uploadCase('T7', "targets/releases signed with targets' key", REFUSED, (world) => {
      world.signers.set('targets/releases', world.signers.get('targets') ?? [])
      return change(world, 'targets/releases', () => undefined)
    }),
    uploadCase('T7', 'targets/releases signed twice by one key pair, of two that must sign', REFUSED, (world) => {
      const key = makeKey('ecdsa')
      const twice = [key, makeRootKey('corpus', NOW, { key })]
      world.delegate('targets/releases', [...twice, makeKey('ecdsa')], { threshold: 2 })
      world.signers.set('targets/releases', twice)
      return world.nextParts('targets', 'targets/releases')
    }),
    uploadCase('T7', 'targets/releases signed with a key that its parent has just dropped', REFUSED, (world) => {
      const [key] = world.signers.get('targets/releases') ?? []
      world.delegate('targets/releases', [makeKey('ecdsa')])
      world.signers.set('targets/releases', key === undefined ? [] : [key])
      return world.nextParts('targets', 'targets/releases')
    }),
  ]
}

/** J10 for targets: containers with wrong types. */
function containers(): Case[] {
  const values: [string, unknown][] = [
    ...['x', [], 1, true].map((value) => ['targets', value] as [string, unknown]),
    ...['x', [], 1].map((value) => ['delegations', value] as [string, unknown]),
  ]
  return [
    ...values.map(([member, value]) =>
      uploadCase('J10', `targets whose ${member} is ${JSON.stringify(value)}`, REFUSED, (world) =>
        change(world, 'targets', (payload) => (payload[member] = value)),
      ),
    ),
    uploadCase('T4', 'a target with a control character in the name of a hash', REFUSED, (world) =>
      change(world, 'targets', (payload) => {
        at(payload, 'targets')['odd'] = { hashes: { '\u001b': null, sha256: SHA256 }, length: 1 }
      }),
    ),
    uploadCase('J10', 'a target with an md5 that is null beside a good sha256: accepted', OK, (world) =>
      change(world, 'targets', (payload) => {
        at(payload, 'targets')['odd'] = { hashes: { md5: null, sha256: SHA256 }, length: 1 }
      }),
    ),
    uploadCase('J10', 'a target of no bytes: accepted', OK, (world) =>
      change(world, 'targets', (payload) => {
        at(payload, 'targets')['empty'] = { hashes: { sha256: SHA256 }, length: 0 }
      }),
    ),
    uploadCase('J9', 'a target whose length is 1.5', MALFORMED_JSON, (world) =>
      spoil(world, 'targets', (file) => file.replace(/"length":\d+/, '"length":1.5')),
    ),
  ]
}

export const targets = (): Case[] => [
  ...entries(),
  ...names(),
  ...delegations(),
  ...delegationKeys(),
  ...undelegated(),
  ...containers(),
]
