import { Command } from 'commander'
import { deleteRepository, listRepositories, showRepository } from '../../admin/repositories.ts'
import { damageIn } from '../../errors.ts'
import type { Connection } from '../connection/connection.ts'
import { EXIT } from '../exit.ts'
import { exitCodeOfList, DAMAGED } from '../list.ts'
import { belowText } from '../named-repositories.ts'
import { DRY_RUN_OPTION, JSON_OPTION } from '../options.ts'
import { ask, withConnection } from '../run.ts'
import { counted, daysLeft, print, printError, printJson, table } from '../terminal/print.ts'
import { addAdopt } from './adopt.ts'
import { addCreate } from './create.ts'
import { describeForPeople } from './describe.ts'
import { addPin } from './pin.ts'

interface Options {
  json?: true
  yes?: true
  dryRun?: true
}

type Row = Awaited<ReturnType<typeof listRepositories.run>>[number]

export function repoCommand(): Command {
  const repo = new Command('repo').description('the repositories of this server')
  repo
    .command('list')
    .description(
      'all repositories: version of targets, first end of root, targets, snapshot (adopted: timestamp); exit code 1: one is damaged',
    )
    .argument('[pattern]', 'only those: docker.io/acme/*', '*')
    .option(...JSON_OPTION)
    .action(list)
  repo
    .command('show')
    .description('roles, keys, delegations and signed tags of one repository')
    .argument('<gun>', 'its name, as docker trust writes it: docker.io/library/alpine')
    .option(...JSON_OPTION)
    .action(show)
  repo
    .command('delete')
    .description('remove all metadata of one repository; its keys and version numbers are kept')
    .argument('<gun>', 'its name')
    .option('--yes', 'do it; without this nothing is deleted')
    .option(...DRY_RUN_OPTION)
    .option(...JSON_OPTION)
    .action(remove)
  addCreate(repo)
  addAdopt(repo)
  addPin(repo)
  return repo
}

function list(pattern: string, _: Options, command: Command): Promise<void> {
  const show = (rows: readonly Row[]): string => {
    if (rows.length === 0 && pattern === '*') return 'no repositories'
    if (rows.length === 0) return [`${pattern} names no repository`, ...belowText(pattern)].join('; ')
    const now = Date.now()
    const cells = rows.map((row) =>
      'damaged' in row
        ? [row.gun, '-', '-', DAMAGED]
        : [row.gun, String(row.version), String(row.delegations), daysLeft(row.expires, now)],
    )
    return table([['REPOSITORY', 'VERSION', 'DELEGATIONS', 'EXPIRES'], ...cells])
  }
  return ask(command, listRepositories, { pattern }, show, exitCodeOfList)
}

function show(gun: string, _: Options, command: Command): Promise<void> {
  return ask(command, showRepository, { gun }, (description) => describeForPeople(description, Date.now()))
}

/** Describes what a repository contains; a damaged one can be deleted too. @throws TrustError NOT_FOUND */
async function signedText(connection: Connection, gun: string): Promise<string> {
  try {
    const { tags } = await connection.call(showRepository, { gun })
    // Most are listed twice, for the signer and for targets/releases.
    return counted(new Set(tags.map(({ tag }) => tag)).size, 'signed tag', 'signed tags')
  } catch (error) {
    const { code, message } = damageIn(error)
    if (code !== 'CORRUPT') throw error
    return `signed tags that cannot be read: ${message}`
  }
}

function remove(gun: string, { yes, dryRun, json }: Options, command: Command): Promise<void> {
  return withConnection(command, async (connection) => {
    const signed = await signedText(connection, gun)
    if (dryRun === true) {
      await connection.call(deleteRepository, { gun }, true)
      if (json === true) printJson({ gun, deleted: false })
      else print(`would delete ${gun}, which has ${signed}`)
      return EXIT.ok
    }
    const { deleted } = yes === true ? await connection.call(deleteRepository, { gun }) : { deleted: false }
    if (json === true) printJson({ gun, deleted })
    else if (deleted) print(`deleted ${gun}`)
    if (deleted) return EXIT.ok
    printError(
      `nothing was deleted: ${gun} has ${signed}`,
      'clients that know it will not trust a new repository of this name until they forget it; to delete it anyway, add --yes',
    )
    return EXIT.negative
  })
}
