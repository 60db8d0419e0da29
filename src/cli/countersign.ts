#!/usr/bin/env node
import { programFor } from './program.ts'

// `countersign … | head` closes the pipe early; that is no error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error
  process.exit()
})

const program = await programFor(process.argv.slice(2))
await program.parseAsync()
