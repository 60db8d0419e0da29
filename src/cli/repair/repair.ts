import { Command } from 'commander'
import { join, resolve } from 'node:path'
import { controlSocket, isServerListening } from '../../control-socket.ts'
import { inUse, repair, type Repair } from '../../repair.ts'
import { DATA, KEYS } from '../../server-directory.ts'
import { variableOf } from '../../settings/names.ts'
import { ANCHOR, type Settings } from '../../settings/schema.ts'
import { shellQuoted } from '../../tuf/gun.ts'
import { hasErrors, reportText } from '../check.ts'
import { interrupted, mustOwnDatabase } from '../connection/open-here.ts'
import { EXIT } from '../exit.ts'
import { givenDirectory } from '../given-file.ts'
import { DRY_RUN_OPTION, JSON_OPTION } from '../options.ts'
import { configOf, run, settingsOf } from '../run.ts'
import { counted, print, printJson, prefixed } from '../terminal/print.ts'
import { isCounted, LISTED_MAX, repairLists } from './lists.ts'

interface RepairOptions {
  from?: string
  withoutAnchor?: true
  dryRun?: true
  json?: true
}

const STILL_DAMAGED =
  'what is still damaged is refused, all else is served; another backup may have it (--from); what is lost must be published, or set, again'

const EACH = 'with --dry-run --json, and another directory, the same command names each record'

export function repairCommand(): Command {
  return new Command('repair')
    .description(
      'make the damaged store of a stopped server whole in a new directory, without rolling anything back; exit code 1: something stays damaged',
    )
    .argument('<directory>', 'new or empty')
    .option('--from <backup>', 'take from this backup, old or new, what is lost elsewhere and has not changed since')
    .option(
      '--without-anchor',
      'end with the newest commit in the database, where the anchor is lost, or names commits that are; nothing tells whether there were newer ones',
    )
    .option(...DRY_RUN_OPTION)
    .option(...JSON_OPTION)
    .addHelpText(
      'after',
      '\nThe directory then holds data/ and keys/ (the anchor among them), as one of' +
        '\n"countersign backup" does. The damaged database is only read. The hash in the' +
        '\njournal tells whether a record is the right one. What cannot be repaired is' +
        '\ncopied as it is, and still refused.',
    )
    .action((directory: string, options: RepairOptions, command: Command) =>
      run(async () => repairInto(givenDirectory(directory), options, settingsOf(command), configOf(command))),
    )
}

async function repairInto(
  directory: string,
  { from: backup, withoutAnchor, dryRun, json }: RepairOptions,
  settings: Settings,
  config: string | undefined,
): Promise<number> {
  const from = backup === undefined ? undefined : givenDirectory(backup)
  // Its lock would tell too, but only after all tables were read, some of which a running server deletes meanwhile.
  if (await isServerListening(controlSocket(settings))) throw inUse(settings.dataDirectory)
  await mustOwnDatabase(settings)
  const done = await repair(settings, {
    directory,
    from,
    withoutAnchor: withoutAnchor === true,
    dryRun: dryRun === true,
    gone: interrupted(),
  })
  if (json === true) printJson(done)
  else printRepair(done, withoutAnchor === true, settings, config)
  return done.lost.length > 0 || (done.check !== undefined && hasErrors(done.check)) ? EXIT.negative : EXIT.ok
}

function printRepair(done: Repair, withoutAnchor: boolean, at: Settings, config: string | undefined): void {
  const { directory, commits, whole, turnedBack, relisted, repaired, lost, left, check } = done
  for (const { file, bits } of turnedBack) print(`repaired: ${file}, ${counted(bits, 'bit', 'bits')} turned back`)
  if (relisted) print('repaired: the list of tables (MANIFEST), rebuilt from those that are there')
  for (const line of repairLists(done)) print(line)
  const counts = [
    `${counted(repaired.length, 'record', 'records')} repaired`,
    `${lost.length} still damaged`,
    `${left.length} left behind`,
    `${whole} whole`,
  ]
  const end = withoutAnchor ? whichIsNewest(done) : 'as before'
  const what = `${counts.join(', ')}; ${counted(commits, 'commit', 'commits')}, ${end}`
  print(`${check === undefined ? 'would make' : 'made'} ${directory}: ${what}`)
  if (lost.length > 0) print(prefixed('hint', STILL_DAMAGED))
  if (isCounted(done)) print(prefixed('hint', EACH))
  if (check === undefined) return
  print(reportText(check, LISTED_MAX))
  print(next(directory, at, config))
}

/** Describes the end of a journal that was compared with no anchor: somebody may know of a newer commit. */
function whichIsNewest({ newest, givenUp }: Repair): string {
  const end = newest === null ? 'the store is empty' : `the newest of ${newest}`
  return givenUp === 0 ? end : `${end}; given up, since only the anchor names them: ${givenUp}`
}

/** @param config the settings file that was typed: without it the server would start with others, perhaps open to all */
function next(
  directory: string,
  { dataDirectory, keysDirectory, anchorFile }: Settings,
  config: string | undefined,
): string {
  const [data, keys] = [join(directory, DATA), join(directory, KEYS)]
  const anchor = join(keys, ANCHOR)
  const moves = [
    [data, dataDirectory],
    [keys, keysDirectory],
    ...(resolve(anchorFile) === resolve(keysDirectory, ANCHOR) ? [] : [[anchor, anchorFile]]),
  ].map(([from = '', to = '']) => `${from} as ${resolve(to)}`)
  const places = { dataDirectory: data, keysDirectory: keys, anchorFile: anchor }
  const environment = Object.entries(places).map(([name, path]) => `${variableOf(name)}=${shellQuoted(path)} `)
  const serve =
    config === undefined ? 'countersign serve' : `countersign --config ${shellQuoted(resolve(config))} serve`
  return `next, start from it:\n  ${environment.join('')}${serve}\nor move the damaged directories away, keep them, and put ${moves.join(', ')}`
}
