import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readManifest } from '../../src/registry/manifest.ts'
import { alice, BASIC, challenge, DIGEST, manifest, nobody, oddRegistry } from '../support/odd-registry.ts'
import { oddServer } from '../support/odd-server.ts'

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

test('a user without a password is a stranger, as for docker', async (t) => {
  for (const half of [
    { username: 'alice', password: '' },
    { username: '', password: 'secret' },
  ]) {
    const { place, requests } = await oddRegistry(t, (request, response) => {
      if (request.headers.authorization === 'Bearer stranger') manifest(request, response)
      else challenge(request, response)
    })
    assert.equal((await readManifest(place, 'v1', async () => half)).digest, DIGEST)
    assert.deepEqual(requests()[1], ['/token', undefined])
  }
})

test('a redirect of a token service is followed with a password, but not with an identity token', async (t) => {
  const asked: (string | undefined)[][] = []
  const { url } = await oddServer(t, (request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? '', 'http://x')
    const { authorization } = request.headers
    if (pathname.startsWith('/token')) asked.push([request.method, pathname, authorization])
    if (pathname === '/token') response.writeHead(307, { Location: `/token/?${searchParams.toString()}` }).end()
    else if (pathname === '/token/') response.end(JSON.stringify({ token: searchParams.get('scope') }))
    else if (authorization === 'Bearer repository:team/app:pull') manifest(request, response)
    else challenge(request, response)
  })
  const place = { url, repository: 'team/app', account: 'x' }
  assert.equal((await readManifest(place, 'v1', alice)).digest, DIGEST)
  const identity = { username: '', password: '', identityToken: 'secret' }
  await assert.rejects(
    readManifest(place, 'v1', async () => identity),
    {
      message: `the registry ${url} returns no token: 307`,
      hint: `it redirects to ${url}/token/, which is not followed: the registry must name that address itself`,
    },
  )
  assert.deepEqual(asked, [
    ['GET', '/token', BASIC],
    ['GET', '/token/', BASIC],
    ['POST', '/token', undefined],
  ])
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
