import type { Command } from 'commander'
import { listStagedRoots } from '../../admin/roots.ts'
import { TrustError } from '../../errors.ts'
import { withCounts, withSignatures, type StagedRootDescription } from '../../repository/roots/staged.ts'
import { shellQuoted } from '../../tuf/gun.ts'
import { EXIT } from '../exit.ts'
import { forEachRepository, outcomeTable, WAITING_HINT } from '../fleet.ts'
import { parseSingleGun } from '../named-repositories.ts'
import { DRY_RUN_OPTION, JSON_OPTION } from '../options.ts'
import { run, withConnection } from '../run.ts'
import { print, printJson } from '../terminal/print.ts'
import { lackingText, nothingWaits, payloadForPeople, stagedForPeople } from './describe.ts'
import { holdsStaged, KEY_PASSPHRASE_OPTION, readRootKeyFile, readStaged, writeStaged } from './files.ts'
import { RootKeyring } from './keyring.ts'
import { knownRootKeys } from './known-keys.ts'
import { PASSPHRASE_OPTION } from './passphrases.ts'
import { signAndPublish } from './sign-and-publish.ts'
import { signaturesBy } from './signatures.ts'

interface Options {
  all?: true
  key?: string
  rootKey?: string[]
  passphraseFile?: string
  keyPassphraseFile?: string
  dryRun?: true
  json?: true
}

/** Adds `root sign`. */
export function addSign(root: Command): void {
  root
    .command('sign')
    .description('sign the root that waits, with the stored keys; or one in a file, with a key file and no server')
    .argument('<gun-or-file>', 'name of the repository; with --all a pattern; with --key what "root show --out" wrote')
    .option('--all', 'every root that waits, of the repositories that the pattern names: docker.io/acme/*')
    .option('--root-key <name...>', 'sign with these stored keys only (default: with all that are needed)')
    .option('--key <file>', 'key file of notary or docker')
    .option(`${KEY_PASSPHRASE_OPTION} <file>`, 'the passphrase of the key file, instead of asking')
    .option(`${PASSPHRASE_OPTION} <file>`, 'the passphrase of the stored keys, instead of asking')
    .option(...DRY_RUN_OPTION)
    .option(...JSON_OPTION)
    .action(sign)
}

async function sign(target: string, options: Options, command: Command): Promise<void> {
  const { key, all, rootKey, passphraseFile, dryRun, json } = options
  if (key !== undefined) return signFile(target, key, options)
  if (await holdsStaged(target)) return run(() => keyIsMissing(target))
  if (all === true) return signAll(target, options, command)
  return withConnection(command, async (connection) => {
    const keyring = new RootKeyring(connection, passphraseFile)
    // Read this before signing, so that the outcome can be shown even if the server stops meanwhile.
    const known = await knownRootKeys(connection)
    const { staged, version } = await signAndPublish(connection, keyring, parseSingleGun(target), rootKey, dryRun)
    if (json === true) printJson({ gun: target, version: version ?? null, staged })
    else if (version === undefined) print(stagedForPeople(staged, known))
    else print(`${dryRun === true ? 'would publish' : 'published'} root version ${version} of ${target}`)
    return version === undefined ? EXIT.negative : EXIT.ok
  })
}

async function keyIsMissing(file: string): Promise<never> {
  throw new TrustError('INVALID_PARAMETERS', `${file} holds a root to be signed, but no key was given`, {
    hint: 'add --key KEYFILE, a key file of notary or docker; no server is needed',
  })
}

/** Asks for each passphrase once, not once per repository. */
function signAll(pattern: string, { rootKey, passphraseFile, dryRun, json }: Options, command: Command): Promise<void> {
  return withConnection(command, async (connection) => {
    const keyring = new RootKeyring(connection, passphraseFile)
    const waiting = await connection.call(listStagedRoots, { pattern })
    const done = dryRun === true ? 'would be published' : 'published'
    const outcomes = await forEachRepository(
      waiting.map(({ gun }) => gun),
      async (gun) => {
        const { version } = await signAndPublish(connection, keyring, gun, rootKey, dryRun)
        return version === undefined
          ? { gun, state: 'lacks signatures', hint: WAITING_HINT }
          : { gun, state: done, version }
      },
    )
    if (json === true) printJson(outcomes)
    else print(outcomes.length === 0 ? nothingWaits(pattern) : outcomeTable(outcomes))
    return outcomes.every(({ state }) => state === done) ? EXIT.ok : EXIT.negative
  })
}

/** Signs without any server: the file contains what to sign, and receives the signatures. */
function signFile(file: string, keyFile: string, { keyPassphraseFile, dryRun, json }: Options): Promise<void> {
  return run(async () => {
    // Do not ask for a passphrase if the file holds no staged root.
    await readStaged(file)
    const key = await readRootKeyFile(keyFile, keyPassphraseFile)
    // Somebody else may have signed while the passphrase was typed.
    const staged = await readStaged(file)
    const made = signaturesBy(key, staged)
    if (made.length === 0) {
      throw new TrustError('INVALID_PARAMETERS', `${keyFile} is not a root key of ${staged.gun}`, {
        hint: `still to sign: ${lackingText(withCounts(staged), [])}`,
      })
    }
    const said = payloadForPeople(staged)
    const signed = withSignatures(staged, made)
    if (dryRun !== true) await writeStaged(file, signed)
    if (json === true) printJson({ file, gun: staged.gun, version: staged.version, signatures: made })
    else {
      print(`${dryRun === true ? 'would sign' : 'signed'} this root of ${staged.gun} in ${file}:`)
      print(said)
      if (dryRun !== true) print(nextStep(withCounts(signed), file))
    }
    return EXIT.ok
  })
}

/** Says who has to sign the file, or that it is ready. */
function nextStep(staged: StagedRootDescription, file: string): string {
  const publish = `countersign root publish ${shellQuoted(staged.gun)} ${shellQuoted(file)}`
  if (staged.complete) return `take it back to the server: ${publish}`
  return `still to sign: ${lackingText(staged, [])}\nhave them sign this file, or take it back to the server: ${publish}`
}
