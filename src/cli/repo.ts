import { Command } from 'commander'
import { parseGun } from '../tuf/gun.ts'
import { connect, type Connection } from './connect.ts'
import { describeForPeople } from './describe.ts'
import { daysLeft, EXIT, print, printJson, run, settingsOf, table } from './run.ts'

export function repoCommand(): Command {
  const repo = new Command('repo').description('the repositories of this server')
  repo
    .command('list')
    .description('all repositories, with the first end among the roles that only their owners can renew')
    .option('--json', 'print as JSON')
    .action(async ({ json }: { json?: true }, command: Command) =>
      withConnection(command, async (connection) => {
        const rows = await connection.list()
        if (json === true) printJson(rows)
        else if (rows.length === 0) print('no repositories')
        else {
          const cells = rows.map(({ gun, version, delegations, expires }) => [
            gun,
            String(version),
            String(delegations),
            daysLeft(expires, Date.now()),
          ])
          print(table([['REPOSITORY', 'TARGETS', 'DELEGATIONS', 'EXPIRES'], ...cells]))
        }
        return EXIT.ok
      }),
    )
  repo
    .command('show')
    .description('roles, keys, delegations and signed tags of one repository')
    .argument('<gun>', 'its name, as docker trust writes it: docker.io/library/alpine')
    .option('--json', 'print as JSON')
    .action(async (name: string, { json }: { json?: true }, command: Command) =>
      withConnection(command, async (connection) => {
        const description = await connection.show(parseGun(name))
        if (description === undefined) return noSuch(name)
        if (json === true) printJson(description)
        else print(describeForPeople(description, Date.now()))
        return EXIT.ok
      }),
    )
  repo
    .command('delete')
    .description('remove all metadata of one repository; its keys and version numbers are kept')
    .argument('<gun>')
    .option('--yes', 'do it; without this it is only said what would be done')
    .option('--json', 'print as JSON')
    .action(async (name: string, { yes, json }: { yes?: true; json?: true }, command: Command) =>
      withConnection(command, async (connection) => {
        const gun = parseGun(name)
        if ((await connection.show(gun)) === undefined) return noSuch(name)
        const deleted = yes === true && (await connection.remove(gun))
        if (json === true) printJson({ gun, deleted })
        else if (deleted) print(`deleted ${gun}`)
        else {
          print(`would delete ${gun}; clients that know it will not trust a new repository of that name`)
          print('until they remove what they remember of it. To do it, say --yes')
        }
        return EXIT.ok
      }),
    )
  return repo
}

/** Run with a connection that is closed afterwards. */
export function withConnection(command: Command, action: (connection: Connection) => Promise<number>): Promise<void> {
  return run(async () => {
    const connection = await connect(settingsOf(command))
    try {
      return await action(connection)
    } finally {
      await connection.close()
    }
  })
}

export function noSuch(name: string): number {
  process.stderr.write(`error: there is no repository ${name}\nhint: "countersign repo list" prints all names\n`)
  return EXIT.negative
}
