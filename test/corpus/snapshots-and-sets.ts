import { fileMeta } from '../support/metadata-file.ts'
import { makeKey, makeRootKey } from '../support/test-key.ts'
import type { TrustWorld } from '../support/trust-world.ts'
import type { Part } from '../support/upload.ts'
import {
  at,
  bad,
  change,
  MALFORMED_JSON,
  NOW,
  OK,
  problem,
  uploadCase,
  VERSION,
  type Case,
  type Loose,
} from './case.ts'

const REFUSED = bad('snapshot')
const WRONG = fileMeta(Buffer.from('something else'))

/** T8: what a validly signed snapshot says of the other files. */
function content(): Case[] {
  const edits: Record<string, (meta: Loose, payload: Loose) => void> = {
    'the sha256 of root wrong': (meta) => (at(meta, 'root', 'hashes')['sha256'] = WRONG.hashes['sha256']),
    'the sha512 of root wrong': (meta) => (at(meta, 'root', 'hashes')['sha512'] = WRONG.hashes['sha512']),
    'the sha256 of targets wrong': (meta) => (at(meta, 'targets', 'hashes')['sha256'] = WRONG.hashes['sha256']),
    'the sha512 of targets wrong': (meta) => (at(meta, 'targets', 'hashes')['sha512'] = WRONG.hashes['sha512']),
    'the hashes of root and targets swapped': (meta) => {
      const { root, targets } = meta
      Object.assign(meta, { root: targets, targets: root })
    },
    'a delegation hash wrong': (meta) => (meta['targets/releases'] = WRONG),
    'the length of root wrong': (meta) => (at(meta, 'root')['length'] = 1),
    'the length of targets wrong': (meta) => (at(meta, 'targets')['length'] = 1),
    'the length of targets negative': (meta) => (at(meta, 'targets')['length'] = -1),
    'the length of targets missing': (meta) => delete at(meta, 'targets')['length'],
    'the length of targets in quotes': (meta) => (at(meta, 'targets')['length'] = '1'),
    'no root': (meta) => delete meta['root'],
    'no targets': (meta) => delete meta['targets'],
    'a delegation left out': (meta) => delete meta['targets/releases'],
    'targets null': (meta) => (meta['targets'] = null),
    'root without hashes': (meta) => (meta['root'] = { length: 1 }),
    'root with hashes empty': (meta) => (at(meta, 'root')['hashes'] = {}),
    'a delegation with hashes empty': (meta) => (at(meta, 'targets/releases')['hashes'] = {}),
    'Length beside the length of targets': (meta) => (at(meta, 'targets')['Length'] = 1),
    'targets without sha256': (meta) => delete at(meta, 'targets', 'hashes')['sha256'],
    'a sha256 of 31 bytes': (meta) => (at(meta, 'targets', 'hashes')['sha256'] = Buffer.alloc(31).toString('base64')),
    'a sha256 in hexadecimal': (meta) => (at(meta, 'targets', 'hashes')['sha256'] = 'ab'.repeat(32)),
    'an md5 that is no base64': (meta) => (at(meta, 'root', 'hashes')['md5'] = '!!'),
    'a control character in the name of a hash': (meta) => (at(meta, 'root', 'hashes')['\u001b'] = 'AAAA'),
    'a delegation that was never uploaded': (meta) => (meta['targets/ghost'] = WRONG),
    'an entry for snapshot': (meta) => (meta['snapshot'] = WRONG),
    'an entry for timestamp': (meta) => (meta['timestamp'] = WRONG),
    'an entry for root.json': (meta) => (meta['root.json'] = WRONG),
    'an entry for no role': (meta) => (meta['../x'] = WRONG),
    'Targets beside targets': (meta) => (meta['Targets'] = WRONG),
    'meta null': (_, payload) => (payload['meta'] = null),
    'meta a list': (_, payload) => (payload['meta'] = []),
    'meta missing': (_, payload) => delete payload['meta'],
  }
  const refused = Object.entries(edits).map(([what, edit]) =>
    uploadCase('T8', `snapshot with ${what}`, REFUSED, (world) =>
      change(world, 'snapshot', (payload) => edit(at(payload, 'meta'), payload)),
    ),
  )
  return [
    ...refused,
    uploadCase('T8', 'snapshot with sha512 alone for a delegation: accepted', OK, (world) =>
      change(world, 'snapshot', (payload) => delete at(payload, 'meta', 'targets/releases', 'hashes')['sha256']),
    ),
    uploadCase('T8', 'snapshot with sha256 alone: accepted', OK, (world) =>
      change(world, 'snapshot', (payload) => {
        const meta = at(payload, 'meta')
        for (const role of Object.keys(meta)) delete at(meta, role, 'hashes')['sha512']
      }),
    ),
    uploadCase(
      'T8',
      'snapshot that leaves out a delegation which comes with it, and with its parent',
      REFUSED,
      (world) =>
        world.nextParts('targets', 'targets/releases').map((part) => {
          if (part.role !== 'snapshot') return part
          delete world.snapshot.meta['targets/releases']
          return { role: 'snapshot', bytes: world.sign('snapshot') }
        }),
    ),
    uploadCase('T8', 'snapshot that names the targets before the current ones', REFUSED, (world) => {
      const old = world.files.get('targets') ?? Buffer.alloc(0)
      world.targets.version += 1
      const parts: Part[] = [{ role: 'targets', bytes: world.sign('targets') }]
      world.files.set('targets', old)
      return [...parts, { role: 'snapshot', bytes: world.signSnapshot() }]
    }),
  ]
}

const only = (parts: readonly Part[], ...roles: string[]): Part[] => parts.filter((part) => roles.includes(part.role))

/** T9: sets with missing or additional files. */
function sets(): Case[] {
  const noRoot = problem('ErrValidation')
  const noSnapshot = problem('ErrBadHierarchy')
  return [
    uploadCase(
      'T9',
      'a first upload of targets alone',
      noRoot,
      (world) => only(first(world), 'targets'),
      'unpublished',
    ),
    uploadCase(
      'T9',
      'a first upload of a snapshot alone',
      noRoot,
      (world) => only(first(world), 'snapshot'),
      'unpublished',
    ),
    uploadCase('T9', 'a first upload without parts', noRoot, () => [], 'unpublished'),
    uploadCase(
      'T9',
      'a first upload without a snapshot',
      noSnapshot,
      (world) => first(world).slice(0, 2),
      'unpublished',
    ),
    uploadCase(
      'T9',
      'a first upload without targets',
      REFUSED,
      (world) => only(first(world), 'root', 'snapshot'),
      'unpublished',
    ),
    uploadCase(
      'T9',
      'a first root of version 2: accepted',
      OK,
      (world) => {
        world.root.version = 2
        return first(world)
      },
      'unpublished',
    ),
    uploadCase(
      'T9',
      'a first root of version 3',
      bad('root'),
      (world) => {
        world.root.version = 3
        return first(world)
      },
      'unpublished',
    ),
    uploadCase('T9', 'targets without a snapshot', noSnapshot, (world) => only(world.nextParts('targets'), 'targets')),
    uploadCase('T9', 'root without a snapshot', noSnapshot, (world) => only(world.nextParts('root'), 'root')),
    uploadCase('T9', 'a snapshot that names targets which are not in the upload', REFUSED, (world) =>
      only(world.nextParts('targets'), 'snapshot'),
    ),
    uploadCase('T9', 'an unreadable timestamp beside a good set', MALFORMED_JSON, (world) => [
      ...world.nextParts('targets'),
      { role: 'timestamp', bytes: Buffer.from('{"signed":') },
    ]),
    uploadCase('T9', 'the same targets version signed again', VERSION, (world) => world.parts('targets')),
    uploadCase(
      'T9',
      "a client's snapshot where the server holds the key",
      REFUSED,
      (world) => {
        world.signers.set('snapshot', [makeKey('ecdsa')])
        return world.nextParts('targets')
      },
      'server-snapshot',
    ),
    uploadCase('T9', 'a timestamp beside a good set: accepted, and dropped', OK, (world) => [
      ...world.nextParts('targets'),
      { role: 'timestamp', bytes: world.sign('targets') },
    ]),
    uploadCase('T9', 'a snapshot alone, of the same files: accepted', OK, (world) => world.nextParts()),
    uploadCase('T9', 'a root, targets and a delegation at once: accepted', OK, (world) =>
      world.nextParts('targets/releases', 'root', 'targets'),
    ),
    uploadCase(
      'T9',
      'targets where the server holds the snapshot key: accepted',
      OK,
      (world) => world.nextParts('targets'),
      'server-snapshot',
    ),
  ]
}

function first(world: TrustWorld): Part[] {
  return world.parts('root', 'targets')
}

/** T10: files and keys of one repository in another. */
function crossed(): Case[] {
  const root = bad('root')
  return [
    uploadCase(
      'T10',
      'a whole set of another repository, first',
      root,
      (_, other) => other.parts('root', 'targets'),
      'unpublished',
    ),
    uploadCase('T10', 'the next root of another repository', root, (_, other) => other.nextParts('root')),
    uploadCase('T10', "a root that names another repository's timestamp key", root, (world, other) => {
      crossKey(world, other, 'timestamp')
      return world.nextParts('root')
    }),
    uploadCase('T10', "a root that names another repository's timestamp key beside its own", root, (world, other) => {
      const [own = ''] = world.root.roles['timestamp']?.keyids ?? []
      crossKey(world, other, 'timestamp')
      world.root.roles['timestamp']?.keyids.push(own)
      return world.nextParts('root')
    }),
    uploadCase('T10', "a root that names a key of its owner's beside the timestamp key", root, (world) => {
      const key = makeKey('ecdsa')
      world.root.keys[key.id] = key.entry
      world.root.roles['timestamp']?.keyids.push(key.id)
      return world.nextParts('root')
    }),
    uploadCase(
      'T10',
      "a root that names another repository's timestamp key as its snapshot key",
      root,
      (world, other) => {
        crossKey(world, other, 'timestamp', 'snapshot')
        return world.nextParts('root')
      },
    ),
    uploadCase(
      'T10',
      "a root that names another repository's key for its snapshot, beside its own",
      root,
      (world, other) => {
        const own = world.signers.get('snapshot') ?? []
        crossKey(world, other, 'timestamp', 'snapshot')
        world.root.roles['snapshot']?.keyids.push(...own.map(({ id }) => id))
        world.signers.set('snapshot', own)
        return world.nextParts('root')
      },
    ),
    uploadCase(
      'T10',
      "a root that names the repository's snapshot key for its timestamp",
      root,
      (world) => {
        crossKey(world, world, 'snapshot', 'timestamp')
        return world.nextParts('root')
      },
      'server-snapshot',
    ),
    uploadCase('T10', "targets signed by another repository's key", bad('targets'), (world, other) => {
      world.signers.set('targets', other.signers.get('targets') ?? [])
      return world.nextParts('targets')
    }),
    uploadCase(
      'T10',
      "another repository's root key, certified for this one, not yet trusted",
      root,
      (world, other) => {
        const key = other.signers.get('root')?.[0]
        world.setKeys('root', key === undefined ? [] : [makeRootKey(world.gun, NOW, { key })])
        return world.nextParts('root')
      },
    ),
  ]
}

/** Names the key that another repository's root has for a role, for the same role or another one. */
function crossKey(world: TrustWorld, other: TrustWorld, role: 'timestamp' | 'snapshot', as = role): void {
  const [id = ''] = other.root.roles[role]?.keyids ?? []
  const entry = other.root.keys[id]
  if (entry === undefined) throw new Error(`no ${role} key`)
  world.nameServerKey(as, entry)
}

export const snapshotsAndSets = (): Case[] => [...content(), ...sets(), ...crossed()]
