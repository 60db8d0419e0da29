import { Command } from 'commander'
import { writeFile } from 'node:fs/promises'
import { saveRootKey } from '../admin/root-keys.ts'
import { discardRoot, publishRoot, showStagedRoot, signRoot } from '../admin/roots.ts'
import { TrustError } from '../errors.ts'
import type { SigningNeed, StagedRootDescription } from '../repository/staged-root.ts'
import { encodeKeyFile } from '../signing/key-file.ts'
import { newSecretFrom } from './ask-secret.ts'
import { print, printJson, table } from './print.ts'
import { KEY_PASSPHRASE_OPTION, readKeyFile, readStaged, writeNew } from './root-files.ts'
import { PASSPHRASE_OPTION, RootKeyring } from './root-keys.ts'
import { ask, EXIT, run, withConnection } from './run.ts'
import { signAndPublish, signaturesBy } from './sign-root.ts'

interface Options {
  json?: true
  out?: string
  key?: string
  rootKey?: string[]
  passphraseFile?: string
  keyPassphraseFile?: string
  remove?: true
  dryRun?: true
}

const JSON_OPTION = ['--json', 'print as JSON'] as const
const DRY_RUN_OPTION = ['--dry-run', 'say what would happen; change nothing'] as const

export function rootCommand(): Command {
  const root = new Command('root').description('root keys, and roots that wait for signatures')
  root
    .command('list')
    .description('all root keys')
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
    .option('--remove', 'and keep it here no more: from now on it is offline')
    .option(...JSON_OPTION)
    .action(exportKey)
  root
    .command('show')
    .description('the root of a repository that waits for signatures')
    .argument('<gun>', 'its name')
    .option('--out <file>', 'write it to a file, to be signed elsewhere')
    .option(...JSON_OPTION)
    .action(show)
  root
    .command('sign')
    .description('sign the root that waits, with the stored keys; or one in a file, with a key file and no server')
    .argument('<gun-or-file>', 'name of the repository; with --key the file that "root show --out" wrote')
    .option('--root-key <name...>', 'sign with these stored keys only (default: with all that are needed)')
    .option('--key <file>', 'key file of notary or docker')
    .option(`${KEY_PASSPHRASE_OPTION} <file>`, 'the passphrase of the key file, instead of asking')
    .option(`${PASSPHRASE_OPTION} <file>`, 'the passphrase of the stored keys, instead of asking')
    .option(...JSON_OPTION)
    .action(sign)
  root
    .command('publish')
    .description('make the signed root current')
    .argument('<gun>', 'its name')
    .argument('[file]', 'with signatures that were made elsewhere')
    .option(...DRY_RUN_OPTION)
    .option(...JSON_OPTION)
    .action(publish)
  root
    .command('discard')
    .description('forget the root that waits for signatures')
    .argument('<gun>', 'its name')
    .option(...DRY_RUN_OPTION)
    .option(...JSON_OPTION)
    .action((gun: string, _: Options, command: Command) =>
      ask(command, discardRoot, { gun }, () => `no root of ${gun} waits any more`),
    )
  return root
}

function list(_: Options, command: Command): Promise<void> {
  return withConnection(command, async (connection) => {
    const keys = await new RootKeyring(connection, undefined).records()
    const shown = keys.map(({ sealed, ...key }) => ({ ...key, holder: sealed === null ? 'offline' : 'sealed here' }))
    if (command.opts<Options>().json === true) printJson(shown)
    else if (shown.length === 0) print('no root keys')
    else print(table([['ROOT KEY', 'KEY ID', 'WHERE'], ...shown.map((key) => [key.name, key.keyId, key.holder])]))
    return EXIT.ok
  })
}

function create(name: string, { passphraseFile, dryRun, json }: Options, command: Command): Promise<void> {
  return withConnection(command, async (connection) => {
    const { record } = await new RootKeyring(connection, passphraseFile).create(name, undefined, dryRun)
    if (json === true) printJson({ name, keyId: record.keyId })
    else print(`${dryRun === true ? 'would make' : 'made'} the root key ${name}: ${record.keyId}`)
    return EXIT.ok
  })
}

function importKey(name: string, file: string, options: Options, command: Command): Promise<void> {
  return withConnection(command, async (connection) => {
    const key = await readKeyFile(file, options.keyPassphraseFile)
    const { record } = await new RootKeyring(connection, options.passphraseFile).create(name, key, options.dryRun)
    if (options.json === true) printJson({ name, keyId: record.keyId })
    else print(`${options.dryRun === true ? 'would take' : 'took'} the root key ${name}: ${record.keyId}`)
    return EXIT.ok
  })
}

function exportKey(name: string, file: string, options: Options, command: Command): Promise<void> {
  return withConnection(command, async (connection) => {
    const { record, key } = await new RootKeyring(connection, options.passphraseFile).open(name)
    const what = `new passphrase of the key file of ${name}`
    const passphrase = await newSecretFrom(options.keyPassphraseFile, what, KEY_PASSPHRASE_OPTION)
    await writeNew(file, encodeKeyFile(key, 'root', passphrase))
    if (options.remove === true) await connection.call(saveRootKey, { name, public: record.public, sealed: null })
    if (options.json === true) printJson({ name, keyId: record.keyId, file, removed: options.remove === true })
    else print(`wrote ${file}${options.remove === true ? `; the root key ${name} is offline now` : ''}`)
    return EXIT.ok
  })
}

function show(gun: string, { out }: Options, command: Command): Promise<void> {
  if (out === undefined) return ask(command, showStagedRoot, { gun }, describeForPeople)
  return withConnection(command, async (connection) => {
    await writeNew(out, `${JSON.stringify(await connection.call(showStagedRoot, { gun }), undefined, 2)}\n`)
    print(`wrote ${out}: sign it with "countersign root sign ${out} --key KEYFILE"`)
    return EXIT.ok
  })
}

function sign(target: string, options: Options, command: Command): Promise<void> {
  if (options.key !== undefined) return signFile(target, options.key, options)
  return withConnection(command, async (connection) => {
    const keyring = new RootKeyring(connection, options.passphraseFile)
    const { staged, version } = await signAndPublish(connection, keyring, target, options.rootKey)
    if (options.json === true) printJson({ gun: target, version: version ?? null, staged })
    else print(version === undefined ? describeForPeople(staged) : `published root version ${version} of ${target}`)
    return version === undefined ? EXIT.negative : EXIT.ok
  })
}

/** Without any server: the file has what is to be signed, and gets the signatures. */
function signFile(file: string, keyFile: string, options: Options): Promise<void> {
  return run(async () => {
    const staged = await readStaged(file)
    const key = await readKeyFile(keyFile, options.keyPassphraseFile)
    const made = signaturesBy(key, staged)
    if (made.length === 0) {
      throw new TrustError('INVALID_PARAMETERS', `${keyFile} is no root key of ${staged.gun}`, {
        hint: `"countersign root show" says which keys are wanted`,
      })
    }
    const all = new Map([...staged.signatures, ...made].map((signature) => [signature.keyid, signature]))
    await writeFile(file, `${JSON.stringify({ ...staged, signatures: [...all.values()] }, undefined, 2)}\n`)
    if (options.json === true) printJson({ file, gun: staged.gun, version: staged.version, signatures: made })
    else {
      print(`signed this root of ${staged.gun} in ${file}:`)
      print(payloadText(staged))
      print(`take it back: countersign root publish ${staged.gun} ${file}`)
    }
    return EXIT.ok
  })
}

function publish(gun: string, file: string | undefined, { dryRun, json }: Options, command: Command): Promise<void> {
  return withConnection(command, async (connection) => {
    if (file !== undefined) {
      const { signatures } = await readStaged(file)
      const staged = await connection.call(signRoot, { gun, signatures: [...signatures] }, dryRun)
      // A rehearsal forgets the signatures: to publish would fail for the want of them.
      if (dryRun === true && staged.complete) return told(staged.version)
    }
    return told((await connection.call(publishRoot, { gun }, dryRun)).version)
  })

  function told(version: number): number {
    if (json === true) printJson({ gun, version })
    else print(`${dryRun === true ? 'would publish' : 'published'} root version ${version} of ${gun}`)
    return EXIT.ok
  }
}

function describeForPeople({ gun, version, reason, by, at, former, own, complete }: StagedRootDescription): string {
  const lines = [
    `Root version ${version} of ${gun} waits for signatures`,
    `  for      ${reason}`,
    `  staged   ${at} by ${by}`,
    ...(former === undefined ? [] : [`  of the root in force: ${needText(former)}`]),
    `  of the new root itself: ${needText(own)}`,
  ]
  const next = complete ? `countersign root publish ${gun}` : `countersign root sign ${gun}`
  return [...lines, `next: ${next}`].join('\n')
}

/** What the signature is over; what else stands in the file is only said by whoever wrote it. */
function payloadText({ payload }: StagedRootDescription): string {
  type Said = { version: number; expires: string; roles: Record<string, { keyids: string[]; threshold: number }> }
  const { version, expires, roles } = payload as unknown as Said
  return [
    `  version  ${version}, until ${expires}`,
    ...Object.entries(roles).map(
      ([role, { keyids, threshold }]) => `  ${role.padEnd(9)}  ${threshold} of ${keyids.join(', ')}`,
    ),
  ].join('\n')
}

function needText({ threshold, keys }: SigningNeed): string {
  const list = keys.map(({ keyId, signed }) => `\n    ${keyId} ${signed ? 'signed' : 'not yet'}`)
  return `${threshold} of these keys${list.join('')}`
}
