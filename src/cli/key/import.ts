import { Command } from 'commander'
import { importSealedKey, signedRole } from '../../admin/import.ts'
import { TrustError } from '../../errors.ts'
import type { Imported } from '../../repository/import-key.ts'
import type { FileSigner } from '../../signing/file-signer.ts'
import { openKeysDirectory } from '../../signing/keys-directory.ts'
import { parseGun } from '../../tuf/gun.ts'
import { isDelegation } from '../../tuf/role.ts'
import type { Connection } from '../connection/connection.ts'
import { EXIT } from '../exit.ts'
import { failureTexts, withHints } from '../fleet.ts'
import { DRY_RUN_OPTION, JSON_OPTION } from '../options.ts'
import { connected, run, settingsOf } from '../run.ts'
import { counted, print, printJson, table, withErrors } from '../terminal/print.ts'
import { sourcesOf, type ImportSource, type SourceOptions } from './import-sources.ts'

interface Options extends SourceOptions {
  dryRun?: true
  json?: true
}

/** The outcome for one key. */
interface Outcome {
  readonly gun: string
  readonly role: string
  readonly keyId: string | null
  readonly result: 'imported' | 'present' | 'refused'
  readonly named: Imported['named'] | null
  /** Why it was refused. */
  readonly error: string | null
  /** What to do about the error. */
  readonly hint?: string | undefined
}

const STATES: Readonly<Record<Imported['named'], string>> = {
  key: 'in use',
  certificate: 'named only inside a certificate: the server cannot sign with it',
  none: 'no metadata names it',
}

/** A delegate's signatures go into several delegations, but a key belongs to one. */
const UNUSED = 'kept only: in delegations the server signs with the keys of its signers (countersign signer create)'

export function importCommand(): Command {
  return new Command('import')
    .description('take private keys that were made elsewhere; they are sealed here and never handed out as new ones')
    .argument('[gun]', 'with --file: the repository that the key signs for')
    .argument('[role]', 'with --file: targets, snapshot, timestamp or targets/…')
    .option('--file <file>', 'a key file of notary or docker')
    .option(
      '--signer-database <file>',
      'rows of the table private_keys of a Notary signer, JSON, CSV or with tabs; -: standard input',
    )
    .option('--passphrase-file <file>', 'the passphrase of the key file, or of the signer; it is asked for otherwise')
    .option(...DRY_RUN_OPTION)
    .option(...JSON_OPTION)
    .action(importKeys)
}

function importKeys(
  gun: string | undefined,
  role: string | undefined,
  options: Options,
  command: Command,
): Promise<void> {
  return run(async () => {
    const settings = settingsOf(command)
    const sources = await sourcesOf(gun, role, options)
    const keys = await openKeysDirectory(settings.keysDirectory, settings.passphraseFile)
    const signer = keys.signer(settings.keyAlgorithm)
    return connected(command, async (connection) => {
      const outcomes: Outcome[] = []
      for (const source of sources) outcomes.push(await importOne(connection, signer, source, options.dryRun))
      if (options.json === true) printJson(outcomes)
      else print(show(outcomes, options.dryRun))
      return outcomes.some(({ result }) => result === 'refused') ? EXIT.negative : EXIT.ok
    })
  })
}

/** Imports one key; a refusal does not affect the others. */
async function importOne(
  connection: Connection,
  signer: FileSigner,
  { gun, role, keyId, open }: ImportSource,
  dryRun: true | undefined,
): Promise<Outcome> {
  try {
    const key = signer.importKey(parseGun(gun), signedRole(role), open())
    if (keyId !== undefined && keyId !== key.keyId) {
      throw new TrustError('SIGNING_FAILED', `the private key belongs to key ${key.keyId}`)
    }
    const sealed = Buffer.from(key.sealed).toString('base64')
    const { changed, named } = await connection.call(importSealedKey, { ...key, gun, role, sealed }, dryRun)
    return { gun, role, keyId: key.keyId, result: changed ? 'imported' : 'present', named, error: null }
  } catch (error) {
    if (!(error instanceof TrustError)) throw error
    const { message, hint } = error
    return { gun, role, keyId: keyId ?? null, result: 'refused', named: null, error: message, hint }
  }
}

function stateOf(role: string, named: Imported['named']): string {
  return named === 'key' && isDelegation(role) ? UNUSED : STATES[named]
}

function show(outcomes: readonly Outcome[], dryRun: true | undefined): string {
  const rows = outcomes.map(({ gun, role, keyId, result, named }) => {
    const done = result === 'imported' ? (dryRun === true ? 'would be imported' : 'imported') : 'here already'
    return [gun, role, keyId ?? '-', named === null ? result : `${done}, ${stateOf(role, named)}`]
  })
  const refused = outcomes.flatMap(({ gun, role, error }) => (error === null ? [] : [{ gun: `${gun} ${role}`, error }]))
  const total = `${counted(outcomes.length, 'key', 'keys')}, ${refused.length === 0 ? 'none' : refused.length} refused`
  const text = `${table([['REPOSITORY', 'ROLE', 'KEY ID', 'RESULT'], ...rows])}\n${total}`
  return withHints(withErrors(text, failureTexts(refused)), outcomes)
}
