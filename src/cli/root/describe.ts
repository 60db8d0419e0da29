import type { StagedRootRow } from '../../admin/root-answers.ts'
import { rootOf, type SigningNeed, type StagedRootDescription } from '../../repository/roots/staged.ts'
import { shellQuoted } from '../../tuf/gun.ts'
import { canonicalKeyId } from '../../tuf/keys/key.ts'
import { BASE_ROLES } from '../../tuf/role.ts'
import { formatTime } from '../../tuf/time.ts'
import { short } from '../terminal/print.ts'
import { knownKeyText, type KnownRootKey } from './known-keys.ts'

/** Describes a staged root: its purpose, who has signed it, and what to type next. */
export function stagedForPeople(
  { gun, version, reason, by, at, former, own, complete }: StagedRootRow,
  known: readonly KnownRootKey[],
): string {
  const lines = [
    `Root version ${version} of ${gun} waits for signatures`,
    `  for      ${reason}`,
    `  staged   ${at} by ${by}`,
    ...(former === undefined ? [] : [`  of the root in force: ${needText(former, known)}`]),
    `  of the new root itself: ${needText(own, known)}`,
  ]
  const needed = [...(former?.keys ?? []), ...own.keys].filter(({ signed }) => !signed)
  const here = known.filter(({ holder }) => holder === 'sealed here').map(({ keyId }) => keyId)
  const away = `countersign root show ${shellQuoted(gun)} --out FILE`
  if (complete) lines.push(`next: countersign root publish ${shellQuoted(gun)}`)
  else if (needed.some(({ keyId }) => here.includes(keyId))) {
    lines.push(`next: countersign root sign ${shellQuoted(gun)}`, `with a key that is elsewhere: ${away}`)
  } else lines.push(`next: ${away}; whoever has such a key signs that file`)
  return lines.join('\n')
}

/** Says whose signatures a staged root lacks: `alice`, or `1 of alice, bob (offline)`. */
export function lackingText({ former, own }: StagedRootRow, known: readonly KnownRootKey[]): string {
  const lacking = [former, own].flatMap((need) => {
    const signers = new Set(need?.keys.filter(({ signed }) => signed).map(({ keyId }) => keyId))
    const others = new Set(need?.keys.map(({ keyId }) => keyId)).difference(signers)
    const count = (need?.threshold ?? 0) - signers.size
    const names = [...others].map((keyId) => knownKeyText(keyId, known, short(keyId))).join(', ')
    return count <= 0 ? [] : [count === others.size ? names : `${count} of ${names}`]
  })
  return lacking.length === 0 ? 'nobody' : [...new Set(lacking)].join('; ')
}

/**
 * Describes the payload that is signed; nothing vouches for the rest of the file. Shows keys, those in certificates
 * too, by the ids that `repo show`, `root list` and notary print.
 *
 * @throws TrustError INVALID_UPDATE if it is no root
 */
export function payloadForPeople({ payload }: StagedRootDescription): string {
  const { metadata, roles } = rootOf({ payload, signatures: [] })
  return [
    `  version  ${metadata.version}, until ${formatTime(metadata.expires)}`,
    ...BASE_ROLES.map((role) => {
      const { keys, threshold } = roles[role]
      return `  ${role.padEnd(9)}  ${threshold} of ${[...keys.values()].map(canonicalKeyId).join(', ')}`
    }),
  ].join('\n')
}

function needText({ threshold, keys }: SigningNeed, known: readonly KnownRootKey[]): string {
  const list = keys.map(
    ({ keyId, signed }) => `\n    ${keyId} ${knownKeyText(keyId, known)}: ${signed ? 'signed' : 'not yet'}`,
  )
  return `${threshold} of these keys${list.join('')}`
}

/** @param pattern of repositories, as it was typed */
export function nothingWaits(pattern: string): string {
  return `no root${pattern === '*' ? '' : ` of ${pattern}`} waits for signatures`
}
