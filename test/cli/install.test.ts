import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { cp, mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'

const SCRIPT = join(import.meta.dirname, '..', '..', 'scripts', 'install-if-missing')

test('packages that a link leads to are not touched: they may be those of somebody else', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'cs-install-'))
  t.after(() => rm(directory, { recursive: true }))
  const place = (...names: string[]): string => join(directory, ...names)
  await mkdir(place('elsewhere', 'package'), { recursive: true })
  await mkdir(place('clone', 'scripts'), { recursive: true })
  await symlink(place('elsewhere'), place('clone', 'node_modules'))
  await writeFile(place('clone', 'package.json'), '{"name":"clone","version":"1.0.0"}')
  const lock = { name: 'clone', version: '1.0.0', lockfileVersion: 3, packages: { '': { name: 'clone' } } }
  await writeFile(place('clone', 'package-lock.json'), JSON.stringify(lock))
  await cp(SCRIPT, place('clone', 'scripts', 'install-if-missing'))
  await assert.rejects(promisify(execFile)(place('clone', 'scripts', 'install-if-missing')), {
    code: 2,
    stderr: /^error: node_modules is a link: .*\nhint: run npm ci where it leads to, or remove the link\n$/,
  })
  assert.deepEqual(await readdir(place('elsewhere')), ['package'])
})
