import type { Description, KeyDescription, RoleDescription } from '../../repository/show.ts'
import { daysLeft, prefixed, short, table } from '../terminal/print.ts'

/** Formats `repo show` as text. @param now milliseconds since 1970 */
export function describeForPeople({ gun, roles, delegations, tags, warnings }: Description, now: number): string {
  const sections = [
    gun,
    ...(warnings.length === 0 ? [] : [warnings.map((text) => prefixed('warning', text)).join('\n')]),
    section('Roles', [['ROLE', 'VERSION', 'EXPIRES', 'KEYS'], ...roles.map((role) => roleRow(role, now))]),
    delegations.length === 0
      ? 'No delegations'
      : section('Delegations', [
          ['ROLE', 'VERSION', 'EXPIRES', 'KEYS', 'PATHS'],
          ...delegations.map((role) => [...roleRow(role, now), pathsOf(role)]),
        ]),
    tags.length === 0 ? 'No signed tags' : section('Signed tags', tagRows(tags)),
  ]
  return sections.join('\n\n')
}

/** Returns a table of tags, including its head. */
export function tagRows(tags: Description['tags']): string[][] {
  const rows = tags.map(({ tag, digest, length, role, unseen }) => [
    tag,
    digest === null ? 'no sha256' : `sha256:${digest}`,
    String(length),
    unseen === undefined ? role : `${role} (unseen)`,
  ])
  return [['TAG', 'DIGEST', 'SIZE', 'SIGNED BY'], ...rows]
}

function section(title: string, rows: string[][]): string {
  return `${title}\n${table(rows, '  ')}`
}

function roleRow(role: RoleDescription, now: number): string[] {
  const signed = role.version > 0
  return [
    role.role,
    signed ? String(role.version) : '-',
    signed ? daysLeft(role.expires, now) : 'nothing signed yet',
    keysOf(role, now),
  ]
}

function keysOf({ keys, threshold }: RoleDescription, now: number): string {
  if (keys.length === 0) return 'none'
  const list = keys.map((key) => keyOf(key, now)).join(', ')
  return threshold === 1 ? list : `${threshold} of: ${list}`
}

function keyOf({ id, keytype, holder, unusable, certificateEnds }: KeyDescription, now: number): string {
  const why = unusable === undefined ? '' : ', unusable'
  const ends = certificateEnds === undefined ? '' : `, certificate to ${daysLeft(certificateEnds, now)}`
  return `${short(id)} ${keytype} (${holder}${why}${ends})`
}

function pathsOf({ paths = [] }: RoleDescription): string {
  if (paths.length === 0) return 'none'
  return paths.map((path) => (path === '' ? 'all' : `${path}*`)).join(', ')
}
