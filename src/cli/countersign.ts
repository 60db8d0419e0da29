#!/usr/bin/env node
import { Command } from 'commander'
import { readFileSync } from 'node:fs'
import { auditCommand, expiryCommand, findCommand } from './audit.ts'
import { checkCommand } from './check.ts'
import { configCommand } from './config.ts'
import { keyCommand } from './key.ts'
import { policyCommand } from './policy.ts'
import { repoCommand } from './repo.ts'
import { rootCommand } from './root.ts'
import { EXIT } from './run.ts'
import { serveCommand } from './serve.ts'
import { signerCommand } from './signer.ts'
import { tagCommand } from './tag.ts'
import { tokenCommand } from './token.ts'
import { userCommand } from './user.ts'

const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
  version: string
}

const program = new Command('countersign')
  .description('A trust server for container images: Docker Content Trust (Notary v1).')
  .version(version)
  .option('--config <file>', 'settings file, JSON (default: COUNTERSIGN_CONFIG)')
  .addCommand(serveCommand())
  .addCommand(checkCommand())
  .addCommand(repoCommand())
  .addCommand(tagCommand())
  .addCommand(signerCommand())
  .addCommand(policyCommand())
  .addCommand(keyCommand())
  .addCommand(rootCommand())
  .addCommand(userCommand())
  .addCommand(tokenCommand())
  .addCommand(auditCommand())
  .addCommand(findCommand())
  .addCommand(expiryCommand())
  .addCommand(configCommand())
  .addHelpText('after', '\nExit codes: 0 done, 1 the answer is no (findings, no such repository), 2 it failed.')

// What is mistyped is "it failed" in every command; commander alone would say 1, which is an answer here.
for (const command of withSubcommands(program)) {
  command
    .showHelpAfterError('hint: add --help for usage')
    .exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? EXIT.ok : EXIT.failed))
}

// `countersign … | head` closes the pipe early; that is no error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error
  process.exit()
})

await program.parseAsync()

function withSubcommands(command: Command): Command[] {
  return [command, ...command.commands.flatMap(withSubcommands)]
}
