import type { Command } from 'commander'
import type { DamagedRepository } from '../../admin/repository-answers.ts'
import type { StagedRootRow } from '../../admin/root-answers.ts'
import { discardRoot, listStagedRoots, showStagedRoot } from '../../admin/roots.ts'
import { shellQuoted } from '../../tuf/gun.ts'
import { EXIT } from '../exit.ts'
import { exitCodeOfList, DAMAGED } from '../list.ts'
import { DRY_RUN_OPTION, JSON_OPTION } from '../options.ts'
import { ask, withConnection } from '../run.ts'
import { print, printJson, table } from '../terminal/print.ts'
import { nothingWaits, lackingText, stagedForPeople } from './describe.ts'
import { stagedText, writeNew } from './files.ts'
import { knownRootKeys, type KnownRootKey } from './known-keys.ts'
import { addPublish } from './publish.ts'
import { addSign } from './sign.ts'

interface Options {
  json?: true
  dryRun?: true
  out?: string
}

/** Adds the commands for roots that wait for signatures. */
export function addStagedRoots(root: Command): void {
  root
    .command('waiting')
    .description('all roots that wait for signatures; exit code 1: one is damaged')
    .argument('[pattern]', 'of repositories: docker.io/acme/*', '*')
    .option(...JSON_OPTION)
    .action(waiting)
  root
    .command('show')
    .description('the waiting root of a repository: what is to be signed, and by whom')
    .argument('<gun>', 'its name')
    .option('--out <file>', 'write it to a file, to be signed elsewhere')
    .option(...JSON_OPTION)
    .action(show)
  addSign(root)
  addPublish(root)
  root
    .command('discard')
    .description('forget the root that waits for signatures')
    .argument('<gun>', 'its name')
    .option(...DRY_RUN_OPTION)
    .option(...JSON_OPTION)
    .action((gun: string, _: Options, command: Command) =>
      ask(command, discardRoot, { gun }, () => `no root of ${gun} waits any more`),
    )
}

function waiting(pattern: string, { json }: Options, command: Command): Promise<void> {
  return withConnection(command, async (connection) => {
    const rows = await connection.call(listStagedRoots, { pattern })
    if (json === true) printJson(rows)
    else if (rows.length === 0) print(nothingWaits(pattern))
    else print(rowsForPeople(rows, await knownRootKeys(connection)))
    return exitCodeOfList(rows)
  })
}

function show(gun: string, { out, json }: Options, command: Command): Promise<void> {
  return withConnection(command, async (connection) => {
    const staged = await connection.call(showStagedRoot, { gun })
    if (out === undefined) {
      if (json === true) printJson(staged)
      else print(stagedForPeople(staged, await knownRootKeys(connection)))
      return EXIT.ok
    }
    await writeNew(out, stagedText(staged))
    if (json === true) printJson({ gun, file: out })
    else print(`wrote ${out}: sign it with "countersign root sign ${shellQuoted(out)} --key KEYFILE"`)
    return EXIT.ok
  })
}

function rowsForPeople(rows: readonly (StagedRootRow | DamagedRepository)[], known: readonly KnownRootKey[]): string {
  const cells = rows.map((row) => {
    if ('damaged' in row) return [row.gun, '-', DAMAGED]
    const { gun, version, at, by, reason, complete } = row
    const what = complete ? `${reason}; signed: countersign root publish ${shellQuoted(gun)}` : reason
    return [gun, String(version), at.slice(0, 10), by, lackingText(row, known), what]
  })
  return table([['REPOSITORY', 'ROOT', 'SINCE', 'BY', 'STILL TO SIGN', 'FOR'], ...cells])
}
