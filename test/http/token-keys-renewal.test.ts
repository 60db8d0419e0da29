import assert from 'node:assert/strict'
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test, type TestContext } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { generateKeyPairSync } from 'node:crypto'
import type { Log } from '../../src/log/log.ts'
import { libtrustId } from '../../src/access/certificate-keys.ts'
import { goodClaims, goodToken } from '../access/hostile-tokens.ts'
import { forge, keySetOf, makeServiceKeys } from '../access/token-forge.ts'
import { issueCertificate } from '../support/certificate.ts'
import { exchange } from '../support/exchange.ts'
import { startTestServer, type TestServer } from '../support/server.ts'
import { until } from '../support/until.ts'
import { tufPath } from '../support/upload.ts'

const GUN = 'example.org/team/app'
const DAY = 86_400_000
const claims = goodClaims(GUN, Date.now())
const [before, after] = [makeServiceKeys(), makeServiceKeys()]
type Keys = typeof before

interface Place {
  readonly server: TestServer
  readonly file: string
  /** All lines logged. */
  readonly lines: string[]
  /** Replaces the file with the keys. */
  readonly replace: (content: string) => Promise<void>
}

/** Starts a server with a file that holds the keys of its token service. */
async function started(
  t: TestContext,
  setting: 'jwksFile' | 'certificateBundleFile',
  content: string,
  threads?: number,
): Promise<Place> {
  const directory = await mkdtemp(join(tmpdir(), 'countersign-jwks-'))
  t.after(() => rm(directory, { recursive: true }))
  const file = join(directory, 'keys')
  const replace = async (text: string): Promise<void> => {
    await writeFile(`${file}.new`, text)
    await rename(`${file}.new`, file)
  }
  await replace(content)
  const lines: string[] = []
  const note = (facts: object, text: string): void => void lines.push(`${text} ${JSON.stringify(facts)}`)
  const log: Log = { info: note, warn: note, error: note }
  const service = { realm: 'https://auth.example/token', issuer: claims.iss, service: claims.aud }
  const access = { mode: 'external' as const, ...service, [setting]: file }
  const more = threads === undefined ? {} : { threads }
  // The shortest interval between looks.
  const settings = { access, renewIntervalSeconds: 1 }
  const server = await startTestServer({ transport: 'plain', settings, log, ...more })
  t.after(() => server.stop())
  return { server, file, lines, replace }
}

/** Returns how many of the new connections, spread over all threads, have a fresh token accepted. */
async function taken(server: TestServer, token: () => string, connections = 1): Promise<number> {
  const asking = Array.from({ length: connections }, () =>
    exchange(server, {
      path: tufPath(GUN, 'timestamp.key'),
      headers: { authorization: `Bearer ${token()}`, connection: 'close' },
    }),
  )
  const answers = await Promise.all(asking)
  return answers.filter(({ status }) => status === 200).length
}

/** Makes a certificate, and tokens that name its key. */
function certified(): { readonly pem: string; readonly token: () => string } {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const [notBefore, notAfter] = [Date.now() - DAY, Date.now() + DAY]
  const pem = issueCertificate({ commonName: 'service', publicKey, signer: privateKey, notBefore, notAfter })
  const kid = libtrustId({ spki: publicKey.export({ type: 'spki', format: 'der' }) })
  const token = (): string =>
    forge(JSON.stringify({ alg: 'ES256', kid }), JSON.stringify(numbered()), 'ES256', privateKey)
  return { pem, token }
}

let made = 0
const numbered = (): object => ({ ...claims, jti: `${(made += 1)}` })
const tokenOf = (keys: Keys) => (): string => goodToken(keys, 'p256', numbered())

/** Concurrent: most of the time they wait for the next look. */
describe('replaced keys of a token service', { concurrency: true }, () => {
  test('all threads use a replaced key set without a restart', async (t) => {
    const { server, replace } = await started(t, 'jwksFile', JSON.stringify(keySetOf({ ...before })), 3)
    assert.equal(await taken(server, tokenOf(before), 24), 24)
    assert.equal(await taken(server, tokenOf(after), 24), 0)
    await replace(JSON.stringify(keySetOf({ ...after })))
    await until('all threads to take the new', async () => (await taken(server, tokenOf(after), 24)) === 24)
    assert.equal(await taken(server, tokenOf(before), 24), 0)
    await replace(JSON.stringify(keySetOf({ ...before })))
    await until('all threads to take the first again', async () => (await taken(server, tokenOf(before), 24)) === 24)
  })

  test('an unusable key set is logged once, and the old keys stay in use', async (t) => {
    const { server, lines, replace } = await started(t, 'jwksFile', JSON.stringify(keySetOf({ ...before })))
    const warnings = (): string[] => lines.filter((line) => line.includes('cannot be used'))
    await replace('{"keys":')
    await until('a warning', () => warnings().length > 0)
    await pause(2_500)
    assert.equal(warnings().length, 1)
    assert.match(warnings()[0] ?? '', /^new keys of the token service cannot be used .*is not a JSON Web Key Set/)
    assert.equal(await taken(server, tokenOf(before)), 1)
    await replace(JSON.stringify(keySetOf({ ...after })))
    await until('the new to be taken', async () => (await taken(server, tokenOf(after))) === 1)
    assert.equal(lines.filter((line) => line.startsWith('new keys of the token service are used')).length, 1)
    // The same fault as before, after it was corrected.
    await replace('{"keys":')
    await until('another warning', () => warnings().length > 1)
  })

  test('the old keys stay in use while the file is missing', async (t) => {
    const { server, lines, file } = await started(t, 'jwksFile', JSON.stringify(keySetOf({ ...before })))
    await rm(file)
    await until('a warning', () => lines.some((line) => /cannot be used .*cannot read .*ENOENT/.test(line)))
    assert.equal(await taken(server, tokenOf(before)), 1)
  })

  test('a certificate bundle is followed in the same way', async (t) => {
    const [one, another] = [certified(), certified()]
    const { server, replace } = await started(t, 'certificateBundleFile', one.pem)
    assert.equal(await taken(server, one.token), 1)
    assert.equal(await taken(server, another.token), 0)
    await replace(another.pem)
    await until('the new to be taken', async () => (await taken(server, another.token)) === 1)
    assert.equal(await taken(server, one.token), 0)
  })
})
