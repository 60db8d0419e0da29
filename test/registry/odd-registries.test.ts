import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { test } from 'node:test'
import type { Credentials } from '../../src/registry/credentials.ts'
import { readManifest } from '../../src/registry/manifest.ts'
import { registryPlace, type RegistryPlace } from '../../src/registry/reference.ts'
import { parseGun } from '../../src/tuf/gun.ts'
import { oddServer } from '../support/odd-server.ts'

const MANIFEST = Buffer.from('{"schemaVersion":2}')
const TYPE = { 'Content-Type': 'application/vnd.docker.distribution.manifest.v2+json' }
const DIGEST = `sha256:${createHash('sha256').update(MANIFEST).digest('hex')}`
const BASIC = `Basic ${Buffer.from('alice:secret').toString('base64')}`
const alice = async (): Promise<Credentials> => ({ username: 'alice', password: 'secret' })
const nobody = async (): Promise<undefined> => undefined

type Answer = (request: IncomingMessage, response: ServerResponse) => unknown

/** Answers with the manifest, for `readManifest` to find. */
const manifest: Answer = (_, response) => response.writeHead(200, TYPE).end(MANIFEST)

/** Starts a registry whose token service gives `alice` or `stranger`, depending on the password. */
async function registry(t: Parameters<typeof oddServer>[0], answer: Answer) {
  const { url, asked } = await oddServer(t, (request, response) => {
    if (request.url?.startsWith('/token') !== true) return answer(request, response)
    return response.end(JSON.stringify({ token: request.headers.authorization === BASIC ? 'alice' : 'stranger' }))
  })
  const place: RegistryPlace = registryPlace(parseGun(`${new URL(url).host}/team/app`))
  const requests = () => asked.map(({ url: path = '', headers }) => [path.split('?')[0], headers.authorization])
  return { url, place, asked, requests }
}

function challenge({ headers }: IncomingMessage, response: ServerResponse): void {
  response.writeHead(401, { 'WWW-Authenticate': `Bearer realm="http://${headers.host}/token",service="reg"` }).end()
}

test('a registry that hides from strangers is asked at /v2/ which credentials it wants, as docker does', async (t) => {
  for (const status of [401, 403, 404, 429]) {
    const { place, requests } = await registry(t, (request, response) => {
      if (request.headers.authorization === 'Bearer alice') manifest(request, response)
      else if (request.url === '/v2/') challenge(request, response)
      else response.writeHead(status).end()
    })
    assert.equal((await readManifest(place, 'v1', alice)).digest, DIGEST)
    assert.deepEqual(requests(), [
      ['/v2/team/app/manifests/v1', undefined],
      ['/v2/', undefined],
      ['/token', BASIC],
      ['/v2/team/app/manifests/v1', 'Bearer alice'],
    ])
    await assert.rejects(readManifest(place, 'v1', nobody), { code: status === 404 ? 'NOT_FOUND' : 'REGISTRY' })
  }
})

test('credentials are not read for a registry that wants none, whatever it answers', async (t) => {
  const unasked = (): never => assert.fail('asked for credentials')
  for (const status of [403, 404, 429, 500]) {
    const { place } = await registry(t, (_, response) => response.writeHead(status).end())
    await assert.rejects(readManifest(place, 'v1', unasked), { code: status === 404 ? 'NOT_FOUND' : 'REGISTRY' })
  }
})
