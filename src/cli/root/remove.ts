import type { Command } from 'commander'
import { removeRootKey } from '../../admin/root-key-removal.ts'
import { EXIT } from '../exit.ts'
import { DRY_RUN_OPTION, JSON_OPTION } from '../options.ts'
import { withConnection } from '../run.ts'
import { print, printError, printJson, withWarnings } from '../terminal/print.ts'
import { namedRootKeys } from './known-keys.ts'

interface Options {
  json?: true
  yes?: true
  dryRun?: true
}

/** Adds `root remove`. */
export function addRemove(root: Command): void {
  root
    .command('remove')
    .description('forget a root key, and what is sealed here of it; no passphrase is asked for')
    .argument('<name>', 'its name')
    .option('--yes', 'do it also where a repository names the key; without this nothing is removed then')
    .option(...DRY_RUN_OPTION)
    .option(...JSON_OPTION)
    .action(remove)
}

function remove(name: string, { yes, dryRun, json }: Options, command: Command): Promise<void> {
  return withConnection(command, async (connection) => {
    const looked = { ...(await connection.call(removeRootKey, { name }, true)), removed: false }
    const sure = yes === true || looked.warnings.length === 0
    // Let the server check again: a root that is staged meanwhile must not lose its key.
    const input = yes === true ? { name } : { name, unused: 'true' as const }
    const answer = sure && dryRun !== true ? await connection.call(removeRootKey, input) : looked
    if (json === true) printJson(answer)
    else if (dryRun === true) print(withWarnings(`would remove the root key ${name}`, answer.warnings))
    else if (sure) print(withWarnings(`removed the root key ${name}`, answer.warnings))
    if (sure || dryRun === true) return EXIT.ok
    // An offline or damaged key leaves nothing here to copy.
    const isHere = (await namedRootKeys(connection)).some((key) => key.name === name && key.sealed !== null)
    const copy = `; where its passphrase is known, "countersign root export ${name} FILE" keeps a copy`
    printError(
      ['nothing was removed:', ...answer.warnings].join('\n'),
      `to remove it anyway, add --yes${isHere ? copy : ''}`,
    )
    return EXIT.negative
  })
}
