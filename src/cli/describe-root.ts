import type { StagedRootRow } from '../admin/roots.ts'
import type { SigningNeed, StagedRootDescription } from '../repository/staged-root.ts'

/** What a staged root is for, who has signed it, and what to type next. */
export function stagedForPeople({ gun, version, reason, by, at, former, own, complete }: StagedRootRow): string {
  const lines = [
    `Root version ${version} of ${gun} waits for signatures`,
    `  for      ${reason}`,
    `  staged   ${at} by ${by}`,
    ...(former === undefined ? [] : [`  of the root in force: ${needText(former)}`]),
    `  of the new root itself: ${needText(own)}`,
  ]
  const next = complete ? `countersign root publish ${gun}` : `countersign root sign ${gun}`
  return [...lines, `next: ${next}`].join('\n')
}

/** What the signature is over; what else stands in the file is only said by whoever wrote it. */
export function payloadForPeople({ payload }: StagedRootDescription): string {
  type Said = { version: number; expires: string; roles: Record<string, { keyids: string[]; threshold: number }> }
  const { version, expires, roles } = payload as unknown as Said
  return [
    `  version  ${version}, until ${expires}`,
    ...Object.entries(roles).map(
      ([role, { keyids, threshold }]) => `  ${role.padEnd(9)}  ${threshold} of ${keyids.join(', ')}`,
    ),
  ].join('\n')
}

function needText({ threshold, keys }: SigningNeed): string {
  const list = keys.map(({ keyId, signed }) => `\n    ${keyId} ${signed ? 'signed' : 'not yet'}`)
  return `${threshold} of these keys${list.join('')}`
}
