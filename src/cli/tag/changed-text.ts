import type { signTag } from '../../admin/tags.ts'
import { shellQuoted } from '../../tuf/gun.ts'
import { withWarnings } from '../terminal/print.ts'

/** The outcome for tags that were to be signed or removed. */
export type Changed = Awaited<ReturnType<typeof signTag.run>>

/** Returns the outcome for people. @param done what was done, if anything was */
export function changedText(
  { gun, roles, changed, leftOut, absent, shadowed, remaining, unseen }: Changed,
  done: string,
): string {
  const lines = [changed ? `${done} (${roles.join(', ')})` : 'already up to date: nothing to do']
  if (leftOut.length > 0) {
    lines.push(`not signed again, since the key that signed them is no longer trusted: ${leftOut.join(', ')}`)
  }
  if (absent.length > 0) lines.push(`not signed before: ${absent.join(', ')}`)
  const warnings = [
    ...(shadowed.length === 0
      ? []
      : [`targets/releases has something else for ${shadowed.join(', ')}, and docker uses that`]),
    ...(remaining.length === 0 ? [] : [remainingText(gun, remaining)]),
    ...(unseen === undefined ? [] : [`clients do not see it: ${unseen}`]),
  ]
  return withWarnings(lines.join('\n'), warnings)
}

function remainingText(gun: string, tags: readonly string[]): string {
  const name = shellQuoted(gun)
  return (
    `targets has ${tags.join(', ')} too, and docker uses that now: countersign tag remove ${name} TAG, without --as; ` +
    `where the owner has the targets key: notary remove -p ${name} TAG`
  )
}
