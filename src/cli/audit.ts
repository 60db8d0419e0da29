import { Command } from 'commander'
import type { z } from 'zod'
import { auditJournal, ENTRIES_MAX } from '../admin/audit.ts'
import { hexOf } from '../admin/inputs.ts'
import type { RoleChange } from '../store/changes.ts'
import type { JournalEntry } from '../store/store.ts'
import { EXIT } from './exit.ts'
import { wholeNumber } from './options.ts'
import { withConnection } from './run.ts'
import { isUnread } from './terminal/output.ts'
import { counted, print, printJson, short, visible } from './terminal/print.ts'

/** Which entries to show. */
type Filter = Omit<z.input<typeof auditJournal.input>, 'before' | 'after' | 'limit'>

interface Options extends Filter {
  limit?: number
  json?: true
}

type Page = Awaited<ReturnType<typeof auditJournal.run>>
type Entry = Page['entries'][number]

/** Entries shown by default. */
const NEWEST = 50
/** Changes of one entry shown to people. */
const CHANGES_SHOWN = 20

export function auditCommand(): Command {
  return new Command('audit')
    .description('who did what: the journal, its newest entries last; exit code 1: one is damaged')
    .option('--gun <pattern>', 'only of these repositories: docker.io/acme/*')
    .option('--actor <name>', 'only by: user:alice, token:ci, server …')
    .option('--kind <kind>', 'only: publish, renew, key, delete, record, clock')
    .option('--digest <digest>', 'only where this digest was signed, moved or removed')
    .option('--key <id>', 'only what this key signed, and where it got or lost the right to sign')
    .option('--since <time>', 'not before, as in 2026-11-24T00:00:00Z')
    .option('--until <time>', 'not after')
    .option('--limit <n>', `only this many, the newest (default: ${NEWEST}; with --json all)`, wholeNumber(1))
    .option('--json', 'oldest first, one entry a line as JSON')
    .action(audit)
}

function audit({ limit, json, ...filter }: Options, command: Command): Promise<void> {
  return withConnection(command, async (connection) => {
    const wanted = limit ?? NEWEST
    let code: number = EXIT.ok
    const page = async (place: { limit: number; after?: number; before?: number | undefined }): Promise<Page> => {
      const found = await connection.call(auditJournal, { ...filter, ...place })
      if (found.entries.some((entry) => 'damaged' in entry)) code = EXIT.negative
      return found
    }
    if (json === true && limit === undefined) {
      let after: number | null = 0
      while (after !== null && !isUnread()) {
        const { entries, next }: Page = await page({ after, limit: ENTRIES_MAX })
        printLines(entries)
        after = next
      }
      return code
    }
    const newest: Entry[] = []
    let before: number | null | undefined
    while (newest.length < wanted && before !== null) {
      const left = Math.min(ENTRIES_MAX, wanted - newest.length)
      const { entries, next }: Page = await page({ limit: left, before })
      newest.push(...entries)
      before = next === 1 ? null : next
    }
    if (json === true) printLines(newest.toReversed())
    else if (newest.length === 0) print('no entries')
    else
      print(
        newest
          .toReversed()
          .map((entry) => ('damaged' in entry ? `${entry.number}  damaged` : entryText(entry, filter.digest)))
          .join('\n'),
      )
    return code
  })
}

/** Prints JSON Lines. */
function printLines(entries: readonly Entry[]): void {
  for (const entry of entries) printJson(entry, 0)
}

function entryText(
  { number, time, gun, kind, actor, documents, keys, records, changes, roles = [] }: JournalEntry,
  wanted: string | undefined,
): string {
  const from = [actor.address, actor.requestId].filter((each) => each !== undefined && each !== '').join(' ')
  const lines = [
    `${number}  ${time}  ${kind}  ${gun === '' ? '(server)' : gun}  by ${actor.name}${from === '' ? '' : `  (${from})`}`,
    ...documents.map(({ role, version, keyIds }) => {
      return `    ${role} ${version}, signed by ${keyIds.map((keyId) => shortId(keyId)).join(', ')}`
    }),
    ...keys.map(({ role, keyId }) => `    key of ${role}: ${shortId(keyId)}`),
    ...records.map(({ kind: of, name, sha256, action }) => {
      if (action !== undefined) return `    ${of} ${name}: ${visible(action)}`
      return `    ${of} ${name}${sha256 === null ? ' removed' : ''}`
    }),
    ...roles.map(roleText),
    ...changesText(changes, wanted),
  ]
  return lines.join('\n')
}

/** Describes who may now sign, and who no longer may. */
function roleText({ role, added, removed, certified = [], threshold, paths = [''] }: RoleChange): string {
  const keyOf = new Map(certified.map(({ certificate, key }) => [certificate, key]))
  const ids = (keyIds: readonly string[]): string => keyIds.map((keyId) => shortId(keyId, keyOf.get(keyId))).join(', ')
  const told = [
    ...(added.length === 0 ? [] : [`${ids(added)} may sign now`]),
    ...(removed.length === 0 ? [] : [`${ids(removed)} may not any more`]),
    ...(threshold === null ? ['no longer delegated'] : []),
    ...((threshold ?? 1) > 1 ? [`${threshold} must sign`] : []),
    ...(paths.includes('') ? [] : [paths.length === 0 ? 'no tags' : `only ${paths.map(visible).join(', ')}`]),
  ]
  return `    ${role}: ${told.join('; ')}`
}

/**
 * Shortens a key's id. Publishers may write anything in its place: it must not look like a line of ours.
 *
 * @param key id of the key in a certificate, by which people know it
 */
function shortId(keyId: string, key?: string): string {
  const shown = visible(short(keyId))
  return key === undefined ? shown : `${shown} (key ${short(key)})`
}

/** Describes the first changes; with `--digest`, those of that digest, wherever they are. */
function changesText(changes: JournalEntry['changes'], wanted: string | undefined): string[] {
  const hex = wanted && hexOf(wanted)
  const found = hex === undefined ? changes : changes.filter(({ from, to }) => from === hex || to === hex)
  const shown = found.slice(0, CHANGES_SHOWN)
  const more = changes.length - shown.length
  return [
    ...shown.map(({ role, tag, from: old, to }) => `    ${tag}: ${digestText(old)} -> ${digestText(to)} (${role})`),
    ...(more === 0 ? [] : [`    and ${counted(more, 'other change', 'other changes')}: --json has all`]),
  ]
}

function digestText(digest: string | null): string {
  return digest === null ? 'nothing' : `sha256:${short(digest)}`
}
