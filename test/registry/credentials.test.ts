import assert from 'node:assert/strict'
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { dockerCredentials, type Credentials } from '../../src/registry/credentials.ts'
import { registryPlace } from '../../src/registry/reference.ts'
import { parseGun } from '../../src/tuf/gun.ts'

test('docker’s credentials are read from its file and from helpers', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'countersign-docker-'))
  t.after(() => rm(directory, { recursive: true }))
  const config = (content: unknown): Promise<void> => writeFile(join(directory, 'config.json'), JSON.stringify(content))
  assert.equal(await dockerCredentials(directory, 'reg'), undefined)
  await config({ auths: { reg: { auth: Buffer.from('bob:with:colon').toString('base64') }, other: {} } })
  assert.deepEqual(await dockerCredentials(directory, 'reg'), { username: 'bob', password: 'with:colon' })
  assert.equal(await dockerCredentials(directory, 'other'), undefined)
  await config({ auths: { 'https://old.example/v1/': { auth: Buffer.from('dan:d').toString('base64') } } })
  assert.deepEqual(await dockerCredentials(directory, 'old.example'), { username: 'dan', password: 'd' })
  assert.equal(await dockerCredentials(directory, 'old.example.org'), undefined)
  await config({ auths: { reg: { auth: Buffer.from('x:').toString('base64'), identitytoken: 'refresh' } } })
  assert.deepEqual(await dockerCredentials(directory, 'reg'), {
    username: 'x',
    password: '',
    identityToken: 'refresh',
  })
  const helper = join(directory, 'docker-credential-test')
  await writeFile(
    helper,
    '#!/bin/sh\nread account\n' +
      '[ "$account" = azure ] && echo \'{"Username":"<token>","Secret":"refresh"}\' && exit\n' +
      '[ "$account" = reg ] && echo \'{"Username":"carol","Secret":"s"}\' || { echo credentials not found in native keychain; exit 1; }\n',
  )
  await chmod(helper, 0o755)
  const { PATH } = process.env
  process.env['PATH'] = `${directory}:${PATH ?? ''}`
  t.after(() => {
    process.env['PATH'] = PATH
  })
  await config({ credHelpers: { reg: 'test', unknown: 'test', azure: 'test' } })
  assert.deepEqual(await dockerCredentials(directory, 'reg'), { username: 'carol', password: 's' })
  assert.equal(await dockerCredentials(directory, 'unknown'), undefined)
  assert.deepEqual(await dockerCredentials(directory, 'azure'), {
    username: '<token>',
    password: '',
    identityToken: 'refresh',
  })
  // A helper for one registry takes precedence over the general one.
  await config({ credHelpers: { reg: 'test' }, credsStore: 'not-installed-anywhere' })
  assert.deepEqual(await dockerCredentials(directory, 'reg'), { username: 'carol', password: 's' })
  await config({ credsStore: 'not-installed-anywhere' })
  const running = (): number => process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length
  const before = running()
  await assert.rejects(dockerCredentials(directory, 'reg'), { message: /not-installed-anywhere, which cannot be run$/ })
  assert.equal(running(), before, 'a timer is still running')
  await config({ credsStore: '../evil' })
  await assert.rejects(dockerCredentials(directory, 'reg'), {
    code: 'BAD_SETTINGS',
    message: '"../evil" is not the name of a credential helper',
  })
  await writeFile(join(directory, 'config.json'), '{ "auths": "secret"')
  await assert.rejects(dockerCredentials(directory, 'reg'), (error: Error) => !/secret/.test(error.message))
  // An unreadable file is no missing one: that would tell people to log in again.
  await rm(join(directory, 'config.json'))
  await mkdir(join(directory, 'config.json'))
  await assert.rejects(dockerCredentials(directory, 'reg'), { code: 'BAD_SETTINGS', message: /^cannot read docker's/ })
})

test('docker’s credentials: duplicates, old names and empty values are read as docker reads them', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'countersign-docker-'))
  t.after(() => rm(directory, { recursive: true }))
  const config = (content: unknown): Promise<void> => writeFile(join(directory, 'config.json'), JSON.stringify(content))
  const auth = (name: string): string => Buffer.from(`${name}:password`).toString('base64')
  const named = (username: string): Credentials => ({ username, password: 'password' })
  await config({ auths: { 'https://reg/v1/': { auth: auth('older') }, reg: { auth: auth('newer') } }, credsStore: '' })
  assert.deepEqual(await dockerCredentials(directory, 'reg'), named('newer'))
  await config({ auths: { 'index.docker.io': { auth: auth('hub'), identitytoken: '' } } })
  const { account } = registryPlace(parseGun('docker.io/library/alpine'))
  assert.deepEqual(await dockerCredentials(directory, account), named('hub'))
})

test('docker’s credentials: entries that other programs write are read as docker reads them', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'countersign-docker-'))
  t.after(() => rm(directory, { recursive: true }))
  const found = async (content: string): Promise<Credentials | undefined> => {
    await writeFile(join(directory, 'config.json'), content)
    return dockerCredentials(directory, 'reg')
  }
  const ofEntry = (entry: unknown) => found(JSON.stringify({ auths: { reg: entry } }))
  const dave = { username: 'dave', password: 'secret' }
  assert.deepEqual(await ofEntry(dave), dave)
  assert.deepEqual(await ofEntry({ ...dave, auth: null, identitytoken: null }), dave)
  assert.deepEqual(await ofEntry({ auth: Buffer.from('dave:secret\0\0').toString('base64') }), dave)
  assert.deepEqual(await ofEntry({ identitytoken: 'refresh' }), {
    username: '',
    password: '',
    identityToken: 'refresh',
  })
  for (const nothing of ['', '\n', '{}', '{"auths":null,"credsStore":null}', '{"auths":{"reg":null}}']) {
    assert.equal(await found(nothing), undefined, nothing)
  }
  const unreadable = { code: 'BAD_SETTINGS', message: /^cannot read docker's configuration .*: it is not JSON as / }
  for (const wrong of ['null', '[]', '{"auths":{"reg":{"auth":5}}}', '{"credsStore":5}']) {
    await assert.rejects(found(wrong), unreadable, wrong)
  }
  await rm(join(directory, 'config.json'))
  await mkdir(join(directory, 'config.json'))
  await assert.rejects(dockerCredentials(directory, 'reg'), {
    message: /config\.json: EISDIR/,
    hint: /^DOCKER_CONFIG /,
  })
})

test('docker’s credentials: those in the environment take precedence, and invalid ones are ignored', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'countersign-docker-'))
  t.after(() => rm(directory, { recursive: true }))
  const entry = (name: string): object => ({ auth: Buffer.from(`${name}:password`).toString('base64') })
  const named = (username: string): Credentials => ({ username, password: 'password' })
  await writeFile(
    join(directory, 'config.json'),
    JSON.stringify({ auths: { reg: entry('kept'), other: entry('other') } }),
  )
  const given = JSON.stringify({ auths: { reg: entry('given') } })
  assert.deepEqual(await dockerCredentials(directory, 'reg', given), named('given'))
  assert.deepEqual(await dockerCredentials(directory, 'other', given), named('other'))
  for (const nothing of [
    '',
    '{',
    'null',
    '{}',
    '{"auths":{"reg":{}}}',
    '{"auths":{"reg":null}}',
    '{"auths":{"reg":5}}',
  ]) {
    assert.deepEqual(await dockerCredentials(directory, 'reg', nothing), named('kept'), nothing)
  }
})

test('a credential helper may have nothing; one that does not answer is an error', { timeout: 30_000 }, async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'countersign-docker-'))
  t.after(() => rm(directory, { recursive: true }))
  const { PATH = '' } = process.env
  process.env['PATH'] = `${directory}:${PATH}`
  t.after(() => {
    process.env['PATH'] = PATH
  })
  const helper = async (script: string): Promise<Credentials | undefined> => {
    await writeFile(join(directory, 'docker-credential-odd'), `#!/bin/sh\n${script}\n`, { mode: 0o755 })
    await writeFile(join(directory, 'config.json'), '{"credsStore":"odd"}')
    return dockerCredentials(directory, 'reg')
  }
  for (const answer of ['{}', '{"Username":"","Secret":""}', '{"Username":"<token>","Secret":""}', 'null']) {
    assert.equal(await helper(`echo '${answer}'`), undefined, answer)
  }
  assert.equal(await helper('echo credentials not found in native keychain; exit 1'), undefined)
  // A login that has ended, or a keychain that is locked: to log in with docker would not help.
  const fails = "docker's configuration names docker-credential-odd, which fails"
  await assert.rejects(helper('echo the keychain is locked; exit 1'), { message: `${fails}: the keychain is locked` })
  const cutOff = `echo '{"Username":"alice","Secret":"hidden"'; exit 1`
  for (const script of ['exit 3', cutOff, `echo 'warning: old keychain'; ${cutOff}`]) {
    await assert.rejects(helper(script), { code: 'BAD_SETTINGS', message: fails }, script)
  }
  const within = AbortSignal.timeout.bind(AbortSignal)
  t.mock.method(AbortSignal, 'timeout', () => within(200))
  await assert.rejects(helper('exec sleep 60'), {
    code: 'BAD_SETTINGS',
    message: "docker's configuration names docker-credential-odd, which does not answer",
  })
  // A child of the helper keeps its output open.
  await assert.rejects(helper('sleep 5 & echo {}'), { message: /which does not answer$/ })
})
