import { Command } from 'commander'
import { makeBackup } from '../admin/backup.ts'
import { givenDirectory } from './given-file.ts'
import { JSON_OPTION } from './options.ts'
import { ask } from './run.ts'
import { counted } from './terminal/print.ts'

export function backupCommand(): Command {
  return new Command('backup')
    .description('copy database, anchor and keys into a new directory, as they are at one moment; the server goes on')
    .argument('<directory>', 'new or empty; the server writes to it')
    .option(...JSON_OPTION)
    .addHelpText(
      'after',
      '\nThe directory holds data/ and keys/ (the anchor among them): what a server can' +
        '\nbe started from. Whoever has it can sign, unless the keyring is under a' +
        '\npassphrase. Files that settings name elsewhere are not in it: passphrases, TLS' +
        '\ncertificates; nor are keys in tokens.',
    )
    .action((directory: string, _: object, command: Command) =>
      ask(
        command,
        makeBackup,
        async () => ({ directory: givenDirectory(directory) }),
        (made) => {
          const held = `${counted(made.commits, 'commit', 'commits')}, ${counted(made.records, 'record', 'records')}`
          return `backup in ${made.directory}: ${held}`
        },
      ),
    )
}
