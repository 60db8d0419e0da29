import { Command } from 'commander'
import { listRootKeys, saveRootKey } from '../../admin/root-keys.ts'
import { encodeKeyFile } from '../../signing/key-file.ts'
import { EXIT } from '../exit.ts'
import { DAMAGED, isDamaged } from '../list.ts'
import { DRY_RUN_OPTION, JSON_OPTION } from '../options.ts'
import { withConnection } from '../run.ts'
import { newSecretFrom } from '../terminal/ask-secret.ts'
import { note, print, printJson, table } from '../terminal/print.ts'
import { KEY_PASSPHRASE_OPTION, mustBeNew, readRootKeyFile, writeNew } from './files.ts'
import { RootKeyring } from './keyring.ts'
import { PASSPHRASE_OPTION } from './passphrases.ts'
import { addRemove } from './remove.ts'
import { addStagedRoots } from './staged.ts'

interface Options {
  json?: true
  passphraseFile?: string
  keyPassphraseFile?: string
  remove?: true
  dryRun?: true
}

export function rootCommand(): Command {
  const root = new Command('root').description('root keys, and roots that wait for signatures')
  root
    .command('list')
    .description('all root keys; exit code 1: one is damaged')
    .option(...JSON_OPTION)
    .action(list)
  root
    .command('create')
    .description('make a root key; it is sealed here, under a passphrase that the server never sees')
    .argument('<name>', 'to call it by')
    .option(`${PASSPHRASE_OPTION} <file>`, 'its passphrase, instead of asking')
    .option(...DRY_RUN_OPTION)
    .option(...JSON_OPTION)
    .action(create)
  root
    .command('import')
    .description('take a root key from a key file of notary or docker')
    .argument('<name>', 'to call it by')
    .argument('<file>', 'as in ~/.docker/trust/private')
    .option(`${KEY_PASSPHRASE_OPTION} <file>`, 'the passphrase of the key file, instead of asking')
    .option(`${PASSPHRASE_OPTION} <file>`, 'its new passphrase here, instead of asking')
    .option(...DRY_RUN_OPTION)
    .option(...JSON_OPTION)
    .action(importKey)
  root
    .command('export')
    .description('write a root key as a key file, for "notary key import" and "docker trust key load"')
    .argument('<name>', 'its name')
    .argument('<file>', 'to be made')
    .option(`${PASSPHRASE_OPTION} <file>`, 'its passphrase here, instead of asking')
    .option(`${KEY_PASSPHRASE_OPTION} <file>`, 'the new passphrase of the key file, instead of asking')
    .option('--remove', 'then remove it here: from now on it is offline')
    .option(...DRY_RUN_OPTION)
    .option(...JSON_OPTION)
    .action(exportKey)
  addRemove(root)
  addStagedRoots(root)
  return root
}

function list({ json }: Options, command: Command): Promise<void> {
  return withConnection(command, async (connection) => {
    const rows = await connection.call(listRootKeys, {})
    const shown = rows.map((row) => {
      if (isDamaged(row)) return row
      const { sealed, ...key } = row
      return { ...key, holder: sealed === null ? 'offline' : 'sealed here' }
    })
    if (json === true) printJson(shown)
    else if (shown.length === 0) print('no root keys')
    else {
      const cells = shown.map((key) => (isDamaged(key) ? [key.name, DAMAGED] : [key.name, key.keyId, key.holder]))
      print(table([['ROOT KEY', 'KEY ID', 'WHERE'], ...cells]))
    }
    return shown.some(isDamaged) ? EXIT.negative : EXIT.ok
  })
}

function create(name: string, { passphraseFile, dryRun, json }: Options, command: Command): Promise<void> {
  return withConnection(command, async (connection) => {
    const { record } = await new RootKeyring(connection, passphraseFile, dryRun).create(name)
    // A rehearsal does not keep its key.
    if (json === true) printJson({ name, keyId: dryRun === true ? null : record.keyId })
    else print(dryRun === true ? `would make the root key ${name}` : `made the root key ${name}: ${record.keyId}`)
    return EXIT.ok
  })
}

function importKey(name: string, file: string, options: Options, command: Command): Promise<void> {
  return withConnection(command, async (connection) => {
    const keyring = new RootKeyring(connection, options.passphraseFile, options.dryRun)
    const { record } = await keyring.create(name, () => readRootKeyFile(file, options.keyPassphraseFile))
    if (options.json === true) printJson({ name, keyId: record.keyId })
    else print(`${options.dryRun === true ? 'would take' : 'took'} the root key ${name}: ${record.keyId}`)
    return EXIT.ok
  })
}

function exportKey(name: string, file: string, options: Options, command: Command): Promise<void> {
  return withConnection(command, async (connection) => {
    const { remove = false, dryRun = false, json } = options
    // Check first: nobody should type three passphrases for a file that cannot be made.
    await mustBeNew(file)
    const { record, key } = await new RootKeyring(connection, options.passphraseFile).open(name)
    const what = `new passphrase of the key file of ${name}`
    const passphrase = await newSecretFrom(options.keyPassphraseFile, what, KEY_PASSPHRASE_OPTION)
    const text = encodeKeyFile(key, passphrase)
    if (!dryRun) await writeNew(file, text)
    try {
      if (remove) await connection.call(saveRootKey, { name, public: record.public, sealed: null }, dryRun)
    } catch (error) {
      // If it is typed again, the file exists; the user must know that it is complete.
      if (!dryRun) note(`wrote ${file}; whether the root key ${name} is still here "countersign root list" says`)
      throw error
    }
    if (json === true) printJson({ name, keyId: record.keyId, file, removed: remove })
    else if (dryRun) print(`would write ${file}${remove ? `; the root key ${name} would be offline then` : ''}`)
    else print(`wrote ${file}${remove ? `; the root key ${name} is offline now` : ''}`)
    return EXIT.ok
  })
}
