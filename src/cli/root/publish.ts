import type { Command } from 'commander'
import { publishRoot, signRoot } from '../../admin/roots.ts'
import { TrustError } from '../../errors.ts'
import type { StagedRootDescription } from '../../repository/roots/staged.ts'
import type { EncodedSignature } from '../../tuf/encode.ts'
import { shellQuoted } from '../../tuf/gun.ts'
import { EXIT } from '../exit.ts'
import { DRY_RUN_OPTION, JSON_OPTION } from '../options.ts'
import { withConnection } from '../run.ts'
import { note, print, printJson } from '../terminal/print.ts'
import { stagedForPeople } from './describe.ts'
import { holdsStaged, readStaged } from './files.ts'
import { knownRootKeys, type KnownRootKey } from './known-keys.ts'
import { stagedStatusAdvice } from './sign-and-publish.ts'

interface Options {
  dryRun?: true
  json?: true
}

/** Adds `root publish`. */
export function addPublish(root: Command): void {
  root
    .command('publish')
    .description('make the signed root current')
    .argument('<gun>', 'its name')
    .argument('[file]', 'with signatures that were made elsewhere')
    .option(...DRY_RUN_OPTION)
    .option(...JSON_OPTION)
    .action(publish)
}

function publish(gun: string, file: string | undefined, { dryRun, json }: Options, command: Command): Promise<void> {
  return withConnection(command, async (connection) => {
    if (file !== undefined) {
      const signatures = await signaturesIn(file, gun)
      // Read this before, so that the outcome can be shown even if the server stops meanwhile.
      const known = await knownRootKeys(connection)
      const staged = await connection
        .call(signRoot, { gun, signatures }, dryRun)
        .catch((error: unknown) => refuseNotStaged(file, gun, error))
      if (!staged.complete) return reportTaken(file, staged, known)
      // A rehearsal forgets the signatures, so publishing would fail for lack of them.
      if (dryRun === true) return reportPublished(staged.version)
    }
    try {
      return reportPublished((await connection.call(publishRoot, { gun }, dryRun)).version)
    } catch (error) {
      if (file === undefined) await mustNotBeFile(gun)
      // Tell that they are stored: nobody has to bring them again.
      else if (dryRun !== true) note(`took the signatures in ${file}; ${stagedStatusAdvice(gun)}`)
      throw error
    }
  })

  function reportTaken(from: string, staged: StagedRootDescription, known: readonly KnownRootKey[]): number {
    if (json === true) printJson({ gun, version: null, staged })
    else {
      print(`${dryRun === true ? 'would take' : 'took'} the signatures in ${from}; others are still to sign`)
      print(stagedForPeople(staged, known))
    }
    return EXIT.negative
  }

  function reportPublished(version: number): number {
    if (json === true) printJson({ gun, version })
    else print(`${dryRun === true ? 'would publish' : 'published'} root version ${version} of ${gun}`)
    return EXIT.ok
  }
}

/** "root sign" takes the file alone. @throws TrustError INVALID_PARAMETERS if a file was named instead of a repository */
async function mustNotBeFile(name: string): Promise<void> {
  if (!(await holdsStaged(name))) return
  const { gun } = await readStaged(name)
  throw new TrustError('INVALID_PARAMETERS', `${name} is a file: the repository's name comes first`, {
    hint: `countersign root publish ${shellQuoted(gun)} ${shellQuoted(name)}`,
  })
}

/** Returns the signatures of a repository's root in a file. @throws TrustError */
async function signaturesIn(file: string, gun: string): Promise<EncodedSignature[]> {
  const { gun: named, signatures } = await readStaged(file)
  if (named !== gun) {
    throw new TrustError('INVALID_PARAMETERS', `${file} holds a root of ${named}, not of ${gun}`, {
      hint: `countersign root publish ${shellQuoted(named)} ${shellQuoted(file)}`,
    })
  }
  if (signatures.length > 0) return [...signatures]
  throw new TrustError('INVALID_PARAMETERS', `nobody has signed the root in ${file} yet`, {
    hint: `countersign root sign ${shellQuoted(file)} --key KEYFILE`,
  })
}

/** Says what may have become of the root in a file, if none waits. @throws TrustError */
function refuseNotStaged(file: string, gun: string, error: unknown): never {
  if (!(error instanceof TrustError) || error.code !== 'NOT_FOUND') throw error
  const audit = `"countersign audit --gun ${shellQuoted(gun)}"`
  throw new TrustError('NOT_FOUND', error.message, {
    hint: `the one in ${file} was published or discarded, or another took its version: ${audit} says which`,
    cause: error,
  })
}
