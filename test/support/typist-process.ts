/** The process of `typist.ts`: runs one command after the other, each as if the process were its own. */
import { getCACertificates, setDefaultCACertificates } from 'node:tls'
import { programFor } from '../../src/cli/program.ts'
import './derived-once.ts'
import type { Typed } from './typist.ts'

/** Where `fetch` keeps connections. */
const CONNECTIONS = Symbol.for('undici.globalDispatcher.1')
interface Connections {
  destroy(): Promise<void>
}
const shared = globalThis as { [CONNECTIONS]?: Connections }

class Exited extends Error {}

const UMASK = process.umask()
const printed = { stdout: '', stderr: '' }
for (const stream of ['stdout', 'stderr'] as const) {
  process[stream].write = (text: string | Uint8Array) => {
    printed[stream] += String(text)
    return true
  }
}
process.exit = (code) => {
  process.exitCode = code ?? 0
  throw new Exited()
}
process.on('message', (typed: Typed) => void type(typed))

async function type({ args, environment, directory }: Typed): Promise<void> {
  for (const name of Object.keys(process.env)) delete process.env[name]
  Object.assign(process.env, environment)
  process.chdir(directory)
  Object.assign(printed, { stdout: '', stderr: '' })
  process.exitCode = 0
  const authorities = args.includes('--from') ? getCACertificates('default') : undefined
  try {
    await (await programFor(args)).parseAsync(args, { from: 'user' })
  } catch (error) {
    if (!(error instanceof Exited)) throw error
  }
  const answer = { code: process.exitCode, ...printed }
  // Undo what would not reach the next command's own process.
  process.umask(UMASK)
  for (const signal of ['SIGINT', 'SIGTERM']) process.removeAllListeners(signal)
  if (authorities !== undefined) setDefaultCACertificates(authorities)
  const connections = shared[CONNECTIONS]
  if (connections !== undefined) {
    shared[CONNECTIONS] = new (connections.constructor as new () => Connections)()
    await connections.destroy()
  }
  process.send?.(answer)
}
