import { cp, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { runProgram, succeeded } from './tools.ts'

/** The programs that build steps and `scripts/countersign` call, and those that docs/KUBERNETES.md types. */
const PROGRAMS = [
  'bash',
  'sh',
  'env',
  'readlink',
  'ln',
  'mkdir',
  'chown',
  'id',
  'cat',
  'cp',
  'date',
  'find',
  'mv',
  'rm',
  'sleep',
]
const CERTIFICATES = '/etc/ssl/certs/ca-certificates.crt'

/**
 * Packs the files of an image with Node and npm into a tar file. They are this machine's, since no image can be pulled
 * here, and so is npm's configuration of registries.
 *
 * @returns the path of the file, in a directory of its own
 */
export async function baseImage(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'countersign-base-'))
  const files = join(directory, 'files')
  const place = async (from: string, to: string): Promise<void> => {
    await mkdir(dirname(join(files, to)), { recursive: true })
    await cp(from, join(files, to), { recursive: true, dereference: true })
  }
  await place(process.execPath, '/usr/local/bin/node')
  await place(join(await say('npm', 'root', '--global'), 'npm'), '/usr/local/lib/node_modules/npm')
  await symlink('../lib/node_modules/npm/bin/npm-cli.js', join(files, '/usr/local/bin/npm'))
  const paths = await Promise.all(PROGRAMS.map((name) => say('which', name)))
  for (const [index, name] of PROGRAMS.entries()) await place(paths[index] ?? '', `/bin/${name}`)
  await mkdir(join(files, '/usr/bin'), { recursive: true })
  await symlink('/bin/env', join(files, '/usr/bin/env'))
  for (const library of await librariesOf([...paths, process.execPath])) await place(library, library)
  await place(CERTIFICATES, CERTIFICATES)
  for (const each of ['tmp', 'var/lib', 'usr/local/etc']) await mkdir(join(files, each), { recursive: true })
  const registry = await say('npm', 'config', 'get', 'registry')
  await writeFile(join(files, '/usr/local/etc/npmrc'), `registry=${registry}\ncafile=${CERTIFICATES}\n`)
  const tar = join(directory, 'image.tar')
  await runProgram('tar', ['-C', files, '-cf', tar, '.'], {}).then(succeeded)
  await rm(files, { recursive: true })
  return tar
}

async function librariesOf(programs: readonly string[]): Promise<Set<string>> {
  const { stdout } = succeeded(await runProgram('ldd', programs, {}))
  return new Set([...stdout.matchAll(/(\/\S+) \(0x/g)].map(([, path = '']) => path))
}

async function say(program: string, ...args: string[]): Promise<string> {
  return succeeded(await runProgram(program, args, process.env)).stdout.trim()
}
