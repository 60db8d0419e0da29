import { Command } from 'commander'
import { parseGun } from '../tuf/gun.ts'
import { describeForPeople } from './describe.ts'
import { counted, daysLeft, print, printError, printJson, table } from './print.ts'
import { EXIT, noSuchRepository, withConnection } from './run.ts'

interface Options {
  json?: true
  yes?: true
}

export function repoCommand(): Command {
  const repo = new Command('repo').description('the repositories of this server')
  repo
    .command('list')
    .description('all repositories, with the first end among the roles that only their owners can renew')
    .option('--json', 'print as JSON')
    .action(list)
  repo
    .command('show')
    .description('roles, keys, delegations and signed tags of one repository')
    .argument('<gun>', 'its name, as docker trust writes it: docker.io/library/alpine')
    .option('--json', 'print as JSON')
    .action(show)
  repo
    .command('delete')
    .description('remove all metadata of one repository; its keys and version numbers are kept')
    .argument('<gun>', 'its name')
    .option('--yes', 'do it; without this nothing is deleted')
    .option('--json', 'print as JSON')
    .action(remove)
  return repo
}

function list({ json }: Options, command: Command): Promise<void> {
  return withConnection(command, async (connection) => {
    const rows = await connection.list()
    if (json === true) printJson(rows)
    else if (rows.length === 0) print('no repositories')
    else {
      const now = Date.now()
      const cells = rows.map(({ gun, version, delegations, expires }) => [
        gun,
        String(version),
        String(delegations),
        daysLeft(expires, now),
      ])
      print(table([['REPOSITORY', 'TARGETS', 'DELEGATIONS', 'EXPIRES'], ...cells]))
    }
    return EXIT.ok
  })
}

function show(name: string, { json }: Options, command: Command): Promise<void> {
  return withConnection(command, async (connection) => {
    const description = await connection.show(parseGun(name))
    if (description === undefined) return noSuchRepository(name)
    if (json === true) printJson(description)
    else print(describeForPeople(description, Date.now()))
    return EXIT.ok
  })
}

function remove(name: string, { yes, json }: Options, command: Command): Promise<void> {
  return withConnection(command, async (connection) => {
    const gun = parseGun(name)
    const description = await connection.show(gun)
    if (description === undefined) return noSuchRepository(name)
    const deleted = yes === true && (await connection.remove(gun))
    if (json === true) printJson({ gun, deleted })
    else if (deleted) print(`deleted ${gun}`)
    if (deleted) return EXIT.ok
    const tags = counted(description.tags.length, 'signed tag', 'signed tags')
    printError(
      `nothing was deleted: ${gun} has ${tags}`,
      'clients that know it will not trust a new repository of this name until they forget it; to delete, say --yes',
    )
    return EXIT.negative
  })
}
