import { Command } from 'commander'
import { addDelegation, removeDelegation } from '../admin/delegations.ts'
import { TrustError } from '../errors.ts'
import { readPublicKey } from '../tuf/keys/public-key-file.ts'
import { readGiven } from './given-file.ts'
import { DRY_RUN_OPTION, JSON_OPTION } from './options.ts'
import { ask } from './run.ts'
import { withWarnings } from './terminal/print.ts'

const GUN = ['<gun>', 'name of a repository that the server signs'] as const
const NAME = ['<name>', "the signer's, as docker trust inspect shows it"] as const

type Delegated = Awaited<ReturnType<typeof addDelegation.run>>

export function delegationCommand(): Command {
  const delegation = new Command('delegation').description('who else signs tags in repositories that the server signs')
  delegation
    .command('add')
    .description('let somebody sign, as docker trust signer add does; also a new key beside the old one')
    .argument(...GUN)
    .argument(...NAME)
    .argument('[file...]', 'public keys or certificates, PEM; none: the signer of the server that has this name')
    .option(...DRY_RUN_OPTION)
    .option(...JSON_OPTION)
    .action((gun: string, name: string, files: string[], _: object, command: Command) =>
      ask(command, addDelegation, async () => ({ gun, name, keys: await keysIn(files) }), added),
    )
  delegation
    .command('remove')
    .description('stop somebody from signing; clients no longer see what only they signed')
    .argument(...GUN)
    .argument(...NAME)
    .argument('[key id...]', 'only these keys of theirs, as repo show prints them')
    .option(...DRY_RUN_OPTION)
    .option(...JSON_OPTION)
    .action((gun: string, name: string, ids: string[], _: object, command: Command) =>
      ask(command, removeDelegation, { gun, name, ...(ids.length === 0 ? {} : { keyIds: ids }) }, removed),
    )
  return delegation
}

/** Reads public keys. Refuses anything else before it is sent: it might be a private key. */
async function keysIn(files: readonly string[]): Promise<string[] | undefined> {
  if (files.length === 0) return undefined
  return Promise.all(
    files.map(async (file) => {
      const text = (await readGiven(file)).toString('latin1')
      try {
        readPublicKey(text, Date.now())
        return text
      } catch (error) {
        if (!(error instanceof TrustError)) throw error
        throw new TrustError(error.code, `${file}: ${error.message}`, { hint: error.hint })
      }
    }),
  )
}

function added({ gun, role, keyIds, changed, warnings }: Delegated): string {
  const text = changed ? `${role} may sign ${gun}, with ${keyIds.join(' or ')}` : 'already up to date: nothing to do'
  return withWarnings(text, warnings)
}

function removed({ gun, role, keyIds, warnings }: Delegated): string {
  const text = keyIds.length === 0 ? `may no longer sign ${gun}` : `may sign ${gun} with ${keyIds.join(' or ')} only`
  return withWarnings(`${role} ${text}`, warnings)
}
