import { Command } from 'commander'
import { TrustError } from '../errors.ts'
import { rekey } from '../signing/keys-directory.ts'
import { parseGun } from '../tuf/gun.ts'
import { noSuch, withConnection } from './repo.ts'
import { EXIT, print, printJson, run, settingsOf, table } from './run.ts'

export function keyCommand(): Command {
  const key = new Command('key').description('the keys that this server holds')
  key
    .command('list')
    .description('the timestamp and snapshot keys that the server made for one repository')
    .argument('<gun>')
    .option('--json', 'print as JSON')
    .action(async (name: string, { json }: { json?: true }, command: Command) =>
      withConnection(command, async (connection) => {
        const rows = await connection.keys(parseGun(name))
        if (rows.length === 0) return noSuch(name)
        if (json === true) printJson(rows)
        else {
          const cells = rows.map(({ role, keyId, keytype, createdAt, current, pending }) => [
            role,
            keyId,
            keytype,
            new Date(createdAt).toISOString().slice(0, 10),
            current ? 'in use' : pending ? 'waits for a root that names it' : 'retired',
          ])
          print(table([['ROLE', 'KEY ID', 'TYPE', 'MADE', 'STATE'], ...cells]))
        }
        return EXIT.ok
      }),
    )
  key
    .command('rekey')
    .description('put the keyring under another passphrase; keys of repositories are not touched')
    .option('--passphrase-file <file>', 'the passphrase in use (default: setting passphraseFile, or the key file)')
    .option('--new-passphrase-file <file>', 'the passphrase from now on')
    .option('--new-key-file', 'no passphrase from now on, but a new key file in the keys directory')
    .action(async (options: { passphraseFile?: string; newPassphraseFile?: string; newKeyFile?: true }, command) =>
      run(async () => {
        if ((options.newPassphraseFile === undefined) === (options.newKeyFile === undefined)) {
          throw new TrustError('BAD_SETTINGS', 'say either --new-passphrase-file or --new-key-file')
        }
        const settings = settingsOf(command as Command)
        await rekey(
          settings.keysDirectory,
          options.passphraseFile ?? settings.passphraseFile,
          options.newPassphraseFile,
        )
        if (options.newPassphraseFile !== undefined) {
          print('the keyring is under the new passphrase; set passphraseFile (COUNTERSIGN_PASSPHRASE_FILE) to its file')
          print('and remove key-encryption-key from the keys directory, if it is there')
        } else print('the keyring is under a new key file; remove the setting passphraseFile')
        return EXIT.ok
      }),
    )
  return key
}
