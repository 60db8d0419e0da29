import { Command } from 'commander'
import { listKeys } from '../../admin/keys.ts'
import { TrustError } from '../../errors.ts'
import { rekey } from '../../signing/rekey.ts'
import { mustBeOwner } from '../connection/owner.ts'
import { EXIT } from '../exit.ts'
import { DRY_RUN_OPTION, JSON_OPTION } from '../options.ts'
import { ask, run, settingsOf } from '../run.ts'
import { print, printJson, table } from '../terminal/print.ts'
import { importCommand } from './import.ts'
import { addRotate } from './rotate.ts'

interface RekeyOptions {
  passphraseFile?: string
  newPassphraseFile?: string
  newKeyFile?: true
  dryRun?: true
  json?: true
}

export function keyCommand(): Command {
  const key = new Command('key').description('keys of repositories: those that this server holds, and their rotation')
  key
    .command('list')
    .description('all keys that the server holds for one repository: in use, waiting for a root, or neither')
    .argument('<gun>', 'its name')
    .option(...JSON_OPTION)
    .action(list)
  key
    .command('rekey')
    .description(
      'put the keyring under a passphrase, a new passphrase, or a key file; keys of repositories are not touched',
    )
    .option('--passphrase-file <file>', 'the passphrase in use (default: setting passphraseFile, or the key file)')
    .option('--new-passphrase-file <file>', 'the passphrase from now on')
    .option('--new-key-file', 'no passphrase from now on, but a new key file in the keys directory')
    .option(...DRY_RUN_OPTION)
    .option(...JSON_OPTION)
    .action(changeSecret)
  key.addCommand(importCommand())
  addRotate(key)
  return key
}

function list(gun: string, _: { json?: true }, command: Command): Promise<void> {
  return ask(command, listKeys, { gun }, (rows) => {
    const cells = rows.map(({ role, keyId, keytype, custody, createdAt, current, pending }) => [
      role,
      keyId,
      keytype,
      custody,
      new Date(createdAt).toISOString().slice(0, 10),
      current ? 'in use' : pending ? 'waits for a root that names it' : 'not in use',
    ])
    return table([['ROLE', 'KEY ID', 'TYPE', 'WHERE', 'MADE', 'STATE'], ...cells])
  })
}

function changeSecret(options: RekeyOptions, command: Command): Promise<void> {
  return run(async () => {
    const { newPassphraseFile, newKeyFile, dryRun } = options
    if ((newPassphraseFile === undefined) === (newKeyFile === undefined)) {
      throw new TrustError('BAD_SETTINGS', 'use either --new-passphrase-file or --new-key-file')
    }
    const { dataDirectory, keysDirectory, passphraseFile } = settingsOf(command)
    await mustBeOwner(dataDirectory)
    await rekey(keysDirectory, options.passphraseFile ?? passphraseFile, newPassphraseFile, dryRun)
    const under = newPassphraseFile === undefined ? 'key file' : 'passphrase'
    if (options.json === true) printJson({ keysDirectory, under })
    else if (dryRun === true) print(`would put the keyring under the new ${under}`)
    else if (under === 'passphrase') {
      print('the keyring is under the new passphrase; set passphraseFile (COUNTERSIGN_PASSPHRASE_FILE) to its file')
      print('and remove key-encryption-key from the keys directory, if it is there')
    } else print('the keyring is under a new key file; remove the setting passphraseFile')
    return EXIT.ok
  })
}
