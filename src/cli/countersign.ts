#!/usr/bin/env node
import { outputFailed } from './terminal/output.ts'
import { programFor } from './program.ts'

process.stdout.on('error', outputFailed)
// Nobody is left to tell.
process.stderr.on('error', () => {})

const program = await programFor(process.argv.slice(2))
await program.parseAsync()
