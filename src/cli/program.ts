import { Command } from 'commander'
import { readFileSync } from 'node:fs'
import { EXIT } from './exit.ts'

/** Commands by name, each loaded on demand: a server's start does not wait for what it does not need. */
const COMMANDS: Readonly<Record<string, () => Promise<Command>>> = {
  serve: async () => (await import('./serve.ts')).serveCommand(),
  check: async () => (await import('./check.ts')).checkCommand(),
  backup: async () => (await import('./backup.ts')).backupCommand(),
  repair: async () => (await import('./repair/repair.ts')).repairCommand(),
  repo: async () => (await import('./repo/repo.ts')).repoCommand(),
  tag: async () => (await import('./tag/tag.ts')).tagCommand(),
  delegation: async () => (await import('./delegation.ts')).delegationCommand(),
  signer: async () => (await import('./signer.ts')).signerCommand(),
  policy: async () => (await import('./policy.ts')).policyCommand(),
  key: async () => (await import('./key/key.ts')).keyCommand(),
  root: async () => (await import('./root/root.ts')).rootCommand(),
  user: async () => (await import('./user.ts')).userCommand(),
  token: async () => (await import('./token.ts')).tokenCommand(),
  audit: async () => (await import('./audit.ts')).auditCommand(),
  find: async () => (await import('./find.ts')).findCommand(),
  expiry: async () => (await import('./expiry.ts')).expiryCommand(),
  clock: async () => (await import('./clock.ts')).clockCommand(),
  config: async () => (await import('./config.ts')).configCommand(),
}

/**
 * Returns the command line with the commands that the arguments name; with all of them if they name none, for help and
 * for suggestions after a typing error.
 */
export async function programFor(args: readonly string[]): Promise<Command> {
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
    version: string
  }
  const program = new Command('countersign')
    .description('A trust server for container images: Docker Content Trust (Notary v1).')
    .version(version)
    .option('--config <file>', 'settings file, JSON (default: COUNTERSIGN_CONFIG)')
    .addHelpText('after', '\nExit codes: 0 done, 1 the answer is no (findings, no such name), 2 it failed.')
  const all = Object.entries(COMMANDS)
  const named = all.filter(([name]) => args.includes(name))
  for (const [, load] of named.length > 0 ? named : all) program.addCommand(await load())
  // A typing error is "failed" in every command; commander's own code 1 is an answer here.
  for (const command of withSubcommands(program)) {
    command
      // Every command takes --config. Wrap narrow help too, which commander would leave to the terminal.
      .configureHelp({ showGlobalOptions: true, minWidthToWrap: 20 })
      .showHelpAfterError('hint: add --help for usage')
      .exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? EXIT.ok : EXIT.failed))
  }
  return program
}

/** Returns a command and all below it. */
export function withSubcommands(command: Command): Command[] {
  return [command, ...command.commands.flatMap(withSubcommands)]
}
