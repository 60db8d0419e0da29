#!/usr/bin/env node
import { Command } from 'commander'
import { readFileSync } from 'node:fs'
import { checkCommand } from './check.ts'
import { configCommand } from './config.ts'
import { keyCommand } from './key.ts'
import { repoCommand } from './repo.ts'
import { EXIT } from './run.ts'
import { serveCommand } from './serve.ts'

const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
  version: string
}

const program = new Command('countersign')
  .description('A trust server for container images: Docker Content Trust (Notary v1).')
  .version(version)
  .option('--config <file>', 'settings file, JSON (default: COUNTERSIGN_CONFIG)')
  .showHelpAfterError('(add --help for usage)')
  .exitOverride((error) => process.exit(error.exitCode === 0 ? EXIT.ok : EXIT.failed))
  .addCommand(serveCommand())
  .addCommand(checkCommand())
  .addCommand(repoCommand())
  .addCommand(keyCommand())
  .addCommand(configCommand())

// `countersign … | head` closes the pipe early; that is no error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error
  process.exit()
})

await program.parseAsync()
