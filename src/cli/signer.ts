import { Command } from 'commander'
import { deleteSigner, listSigners, makeSigner, renewSigner, showSigner, type SignerRow } from '../admin/signers.ts'
import { list } from './list.ts'
import { DRY_RUN_OPTION, JSON_OPTION } from './options.ts'
import { ask } from './run.ts'
import { withWarnings } from './terminal/print.ts'

interface Options {
  finish?: true
  dryRun?: true
}

const NAME = ['<name>', 'as owners of repositories will call it'] as const

export function signerCommand(): Command {
  const signer = new Command('signer').description("keys with which the server signs in other people's repositories")
  signer
    .command('create')
    .description('make a signer; its public key is for owners of repositories')
    .argument(...NAME)
    .option(...DRY_RUN_OPTION)
    .option(...JSON_OPTION)
    .action((name: string, options: Options, command: Command) =>
      ask(command, makeSigner, { name }, (signer) => newKeyOf(signer, options)),
    )
  signer
    .command('show')
    .description('the public key of a signer, PEM: for "docker trust signer add"')
    .argument(...NAME)
    .option(...JSON_OPTION)
    .action((name: string, _: object, command: Command) =>
      ask(command, showSigner, { name }, ({ publicKey }) => publicKey.trim()),
    )
  signer
    .command('list')
    .description('all signers; exit code 1: one is damaged')
    .option(...JSON_OPTION)
    .action((_: object, command: Command) =>
      list(command, listSigners, {
        none: 'no signers',
        head: ['SIGNER', 'KEY ID'],
        cells: ({ name, keyIds }: SignerRow) => [name, keyIds.join(' ')],
      }),
    )
  signer
    .command('rotate')
    .description('a new key beside the old one, until all owners have added it')
    .argument(...NAME)
    .option('--finish', 'sign with the newest key only from now on')
    .option(...DRY_RUN_OPTION)
    .option(...JSON_OPTION)
    .action((name: string, options: Options, command: Command) =>
      ask(command, renewSigner, { name, finish: options.finish === true }, (signer) =>
        withWarnings(
          options.finish === true
            ? `signer ${name} signs with key ${signer.keyIds.join(' ')} only`
            : newKeyOf(signer, options),
          signer.warnings,
        ),
      ),
    )
  signer
    .command('remove')
    .description('stop signing with its key')
    .argument(...NAME)
    .option(...DRY_RUN_OPTION)
    .option(...JSON_OPTION)
    .action((name: string, _: object, command: Command) =>
      ask(command, deleteSigner, { name }, (removed) =>
        withWarnings(`removed the signer ${name}; owners of repositories remove it too`, removed.warnings),
      ),
    )
  return signer
}

/** A rehearsal shows no key that anybody could add. */
function newKeyOf(signer: SignerRow, { dryRun }: Options): string {
  if (dryRun !== true) return howToAdd(signer)
  const others = signer.keyIds.join(' ')
  return `signer ${signer.name}, a new key${others === '' ? '' : ` beside ${others}`}`
}

function howToAdd({ name, keyIds, publicKey }: SignerRow): string {
  return [
    `signer ${name}, ${keyIds.length === 1 ? 'key' : 'keys'} ${keyIds.join(' ')}`,
    '',
    publicKey.trim(),
    '',
    `The owner of a repository puts these lines into ${name}.pem and types:`,
    `  docker trust signer add --key ${name}.pem ${name} REPOSITORY`,
    'In one that the server signs:',
    `  countersign delegation add REPOSITORY ${name}`,
    'From then on:',
    `  countersign tag sign --as ${name} REPOSITORY TAG`,
    ...(keyIds.length === 1
      ? []
      : ['To give the old key up (docs/ROTATION.md says when):', `  countersign signer rotate ${name} --finish`]),
  ].join('\n')
}
