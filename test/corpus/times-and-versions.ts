import { timeText } from '../support/metadata-file.ts'
import type { TrustWorld } from '../support/trust-world.ts'
import type { Part } from '../support/upload.ts'
import { bad, change, NOW, OK, SIGNED_ROLES, uploadCase, VERSION, withSnapshot, type Case } from './case.ts'

const ROLES = [...SIGNED_ROLES, 'targets/releases'] as const

/** T1: expired files, validly signed. A file has expired if it ends before now, without leeway. */
function expired(): Case[] {
  const times = {
    'a millisecond ago': timeText(NOW - 1),
    'a second ago': timeText(NOW - 1_000),
    'a year ago': timeText(NOW - 365 * 86_400_000),
    'in the year 1': '0001-01-01T00:00:00Z',
    'a second ago, written in New York': '2026-11-24T02:59:59-05:00',
    'a second ago, written in Tokyo': '2026-11-24T16:59:59.000000001+09:00',
  }
  return ROLES.flatMap((role) => [
    ...Object.entries(times).map(([what, expires]) =>
      uploadCase('T1', `${role} expired ${what}`, bad(role), (world) =>
        change(world, role, (payload) => (payload['expires'] = expires)),
      ),
    ),
    uploadCase('T1', `${role} expires in this very moment: accepted`, OK, (world) =>
      change(world, role, (payload) => (payload['expires'] = timeText(NOW))),
    ),
  ])
}

/** Returns an upload with this version instead of the next one. */
function atVersion(world: TrustWorld, role: string, version: (current: number) => number): Part[] {
  const current = world.payload(role).version
  return change(world, role, (payload) => (payload['version'] = version(current)))
}

/** T2: versions that go back, stay or jump too far. */
function versions(): Case[] {
  const sameOrLower = ROLES.flatMap((role) => [
    uploadCase('T2', `${role} again in its version, with other bytes`, VERSION, (world) =>
      atVersion(world, role, (current) => current),
    ),
    uploadCase('T2', `${role} in the version before`, role === 'root' ? bad(role) : VERSION, (world) =>
      atVersion(world, role, (current) => current - 1),
    ),
  ])
  const tooHigh = ROLES.flatMap((role) => [
    uploadCase('T2', `${role} two to the 31 less two`, bad(role), (world) => atVersion(world, role, () => 2 ** 31 - 2)),
    uploadCase('T2', `${role} eleven versions on`, bad(role), (world) => atVersion(world, role, (now) => now + 11)),
  ])
  const gaps = ['targets', 'snapshot', 'targets/releases'].map((role) =>
    uploadCase('T2', `${role} ten versions on: accepted`, OK, (world) => atVersion(world, role, (now) => now + 10)),
  )
  const skip = uploadCase('T2', 'root two versions on', bad('root'), (world) =>
    atVersion(world, 'root', (now) => now + 2),
  )
  return [...sameOrLower, ...tooHigh, ...gaps, skip]
}

/** T3: a role's file under another role's name. */
function types(): Case[] {
  const pairs: [string, string][] = [
    ['root', 'targets'],
    ['targets', 'root'],
    ['targets', 'targets/releases'],
    ['targets', 'snapshot'],
    ['snapshot', 'targets'],
    ['snapshot', 'root'],
    ['root', 'snapshot'],
    ['targets/releases', 'targets'],
    ['targets/releases', 'snapshot'],
  ]
  return pairs.map(([content, role]) =>
    uploadCase('T3', `${content} under the name of ${role}`, bad(role), (world) => {
      world.payload(content).version += 1
      const bytes = world.sign(content)
      return role === 'snapshot' ? [{ role, bytes }] : withSnapshot(world, role, bytes)
    }),
  )
}

/** T3: signed by the right keys, with only `_type` wrong. */
function signedTypes(): Case[] {
  return ROLES.map((role) =>
    uploadCase('T3', `${role} that says it is of type Timestamp`, bad(role), (world) =>
      change(world, role, (payload) => (payload['_type'] = 'Timestamp')),
    ),
  )
}

export const timesAndVersions = (): Case[] => [...expired(), ...versions(), ...types(), ...signedTypes()]
