import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { readManifest } from '../../src/registry/manifest.ts'
import { alice, BASIC, challenge, DIGEST, manifest, nobody, oddRegistry } from '../support/odd-registry.ts'

test('a registry that hides from strangers is asked at /v2/ which credentials it wants, as docker does', async (t) => {
  for (const status of [401, 403, 404, 429]) {
    const { place, requests } = await oddRegistry(t, (request, response) => {
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
    const { place } = await oddRegistry(t, (_, response) => response.writeHead(status).end())
    await assert.rejects(readManifest(place, 'v1', unasked), { code: status === 404 ? 'NOT_FOUND' : 'REGISTRY' })
  }
})

test('a content type may be written in any case', async (t) => {
  const type = { 'Content-Type': 'Application/vnd.OCI.image.manifest.v1+JSON;charset=utf-8' }
  const { place } = await oddRegistry(t, (_, response) => response.writeHead(200, type).end('{}'))
  assert.equal((await readManifest(place, 'v1', alice)).size, 2)
})

test('every request names the program, since some firewalls refuse those that do not', async (t) => {
  const { place, asked } = await oddRegistry(t, (request, response) => {
    if (request.headers.authorization === 'Bearer alice') manifest(request, response)
    else if (request.url === '/v2/') challenge(request, response)
    else response.writeHead(404).end()
  })
  await readManifest(place, 'v1', alice)
  const agents = asked.map(({ headers }) => headers['user-agent'])
  assert.deepEqual(
    agents,
    Array.from({ length: 4 }, () => 'countersign'),
  )
})

test('a refusal that is cut off while its registry is asked at /v2/ is a refusal all the same', async (t) => {
  for (const known of [true, false]) {
    const { place } = await oddRegistry(t, async (request, response) => {
      if (request.headers.authorization === 'Bearer alice') manifest(request, response)
      else if (request.url !== '/v2/') {
        response.writeHead(404, { 'Content-Length': '99' }).write('x', () => response.destroy())
      } else {
        await sleep(100)
        if (known) challenge(request, response)
        else response.writeHead(404).end()
      }
    })
    const asking = readManifest(place, 'v1', alice)
    if (known) assert.equal((await asking).digest, DIGEST)
    else await assert.rejects(asking, { code: 'NOT_FOUND' })
  }
})

test('a refusal without end does not keep the command from ending if /v2/ fails', { timeout: 60_000 }, async (t) => {
  const { place, asked } = await oddRegistry(t, ({ url }, response) => {
    if (url === '/v2/') response.destroy()
    else response.writeHead(404).write('x')
  })
  await assert.rejects(readManifest(place, 'v1', alice), { code: 'REGISTRY', message: /^cannot reach/ })
  const { socket } = asked[0] ?? assert.fail()
  if (!socket.destroyed) await once(socket, 'close')
})
