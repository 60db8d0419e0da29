import type { TargetsPayload } from '../support/metadata-file.ts'
import type { Ask } from '../support/exchange.ts'
import type { TrustWorld } from '../support/trust-world.ts'
import type { Part } from '../support/upload.ts'

/** Notary's names for the reason of a refusal (wire spec §4). */
type Problem = 'ErrValidation' | 'ErrBadHierarchy' | 'ErrBadRoot' | 'ErrBadTargets' | 'ErrBadSnapshot'

/** The exact answer. */
export interface Expected {
  readonly status: number
  /** The wire code, for every 400. */
  readonly code?: string
  readonly problem?: Problem
}

/**
 * The repository that a case starts from: its snapshot key is the publisher's or the server's, or only its server keys
 * exist. Each case gets a copy of it.
 */
export type Scene = 'client-snapshot' | 'server-snapshot' | 'unpublished'

/** What a case sends: an upload, a request, or raw bytes. */
export type Sent = readonly Part[] | Ask | string

export interface Case {
  /** The class as in the docs: J1, S2, T11. */
  readonly group: string
  /** What is wrong with the request. */
  readonly name: string
  readonly scene: Scene
  readonly expected: Expected
  /** True if the request changes the repository: the case then gets a repository of its own. */
  readonly changes: boolean
  /** `other` publishes another repository of the same server. */
  readonly send: (world: TrustWorld, other: TrustWorld) => Sent
}

export const OK: Expected = { status: 200 }
export const MALFORMED_JSON: Expected = { status: 400, code: 'MALFORMED_JSON' }
export const MALFORMED_UPLOAD: Expected = { status: 400, code: 'MALFORMED_UPLOAD' }
export const VERSION: Expected = { status: 400, code: 'VERSION' }

/** Returns a refusal with the problem that clients print. */
export function problem(name: Problem): Expected {
  return { status: 400, code: 'INVALID_UPDATE', problem: name }
}

/** Returns the problem of a document of this role. */
export function bad(role: string): Expected {
  return problem(role === 'root' ? 'ErrBadRoot' : role === 'snapshot' ? 'ErrBadSnapshot' : 'ErrBadTargets')
}

/** The roles that a publisher with its own snapshot key signs. */
export const SIGNED_ROLES = ['root', 'targets', 'snapshot'] as const

/** The time of the corpus, milliseconds since 1970; the server's clock is stopped there. */
export const NOW = Date.parse('2026-11-24T08:00:00.000Z')

/** Makes a case that uploads to a repository whose snapshot the publisher signs. */
export function uploadCase(
  group: string,
  name: string,
  expected: Expected,
  send: (world: TrustWorld, other: TrustWorld) => readonly Part[],
  scene: Scene = 'client-snapshot',
): Case {
  return { group, name, scene, expected, changes: expected.status === 200, send }
}

/** Makes a case with a request that changes nothing. */
export function requestCase(group: string, name: string, expected: Expected, send: (world: TrustWorld) => Ask): Case {
  return { group, name, scene: 'client-snapshot', expected, changes: false, send }
}

/**
 * Returns an upload of one role, one version on, whose signed bytes are damaged. Its snapshot is sound and names the
 * damaged bytes, so that exactly one check can refuse it.
 */
export function spoil(world: TrustWorld, role: string, edit: (file: string) => string | Uint8Array): Part[] {
  if (role === 'snapshot') return [{ role, bytes: Buffer.from(edit(world.signSnapshot().toString('utf8'))) }]
  world.payload(role).version += 1
  return withSnapshot(world, role, Buffer.from(edit(world.sign(role).toString('utf8'))))
}

/** Returns an upload of one role, one version on, whose payload is changed and then signed by the right keys. */
export function change(world: TrustWorld, role: string, edit: (payload: Loose) => void): Part[] {
  if (role === 'snapshot') {
    world.signSnapshot()
    edit(world.snapshot as unknown as Loose)
    return [{ role, bytes: world.sign(role) }]
  }
  world.payload(role).version += 1
  edit(world.payload(role) as unknown as Loose)
  return withSnapshot(world, role, world.sign(role))
}

/** The same for targets, with typed payload. */
export function changeTargets(world: TrustWorld, edit: (payload: TargetsPayload) => void): Part[] {
  return change(world, 'targets', (payload) => edit(payload as unknown as TargetsPayload))
}

/** Returns these bytes as a role's file, with a snapshot that names them. */
export function withSnapshot(world: TrustWorld, role: string, bytes: Buffer): Part[] {
  world.files.set(role, bytes)
  return [
    { role, bytes },
    { role: 'snapshot', bytes: world.signSnapshot() },
  ]
}

/** JSON to which any damage can be done. */
export interface Loose {
  [name: string]: unknown
}

/** Returns the object at this path. */
export function at(value: Loose, ...path: string[]): Loose {
  let inner = value
  for (const name of path) inner = inner[name] as Loose
  return inner
}

/** Replaces the first occurrence; throws without one, since the case would then test nothing. */
export function swap(text: string, from: string, to: string): string {
  if (!text.includes(from)) throw new Error(`nothing to replace: ${from}`)
  return text.replace(from, () => to)
}
