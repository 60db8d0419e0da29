import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { tlsIdentity } from '../../test/support/go-server.ts'
import { contenderOver, freePort, remove, start, workDirectory, type Contender } from './contender.ts'

const PROGRAM = join(import.meta.dirname, 'bare-program.ts')
/** The same options as in scripts/countersign. */
const OPTIONS = [
  '--min-semi-space-size=4',
  '--max-semi-space-size=8',
  `--openssl-config=${join(import.meta.dirname, '..', 'openssl.cnf')}`,
]

/** Starts the least server that Node allows: `bare-program.ts`. */
export async function startBareServer(): Promise<Contender> {
  const directory = await workDirectory('bare')
  const { certificate, key } = tlsIdentity()
  await writeFile(join(directory, 'server.crt'), certificate)
  await writeFile(join(directory, 'server.key'), key, { mode: 0o600 })
  const port = await freePort()
  const env = { ...process.env, MALLOC_ARENA_MAX: '2' }
  return contenderOver(
    { name: 'bare', port, diskBytes: () => undefined },
    () => start(process.execPath, [...OPTIONS, PROGRAM, directory, String(port)], { env }),
    () => remove(directory),
  )
}
