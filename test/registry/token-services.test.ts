import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readManifest } from '../../src/registry/manifest.ts'
import { alice, BASIC, challenge, DIGEST, manifest, oddRegistry, secureRegistry } from '../support/odd-registry.ts'
import { oddServer } from '../support/odd-server.ts'

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

test('a registry that does not know that it is reached by https:// is asked for a token that way', async (t) => {
  const asked: (string | undefined)[] = []
  const place = await secureRegistry(t, (request, response) => {
    const { authorization, host } = request.headers
    if (request.url?.startsWith('/token') === true) {
      asked.push(authorization)
      response.end('{"token":"alice"}')
    } else if (authorization === 'Bearer alice') manifest(request, response)
    else {
      const realm = request.url?.endsWith('/elsewhere') === true ? 'http://127.0.0.1/token' : `http://${host}/token`
      response.writeHead(401, { 'WWW-Authenticate': `Bearer realm="${realm}"` }).end()
    }
  })
  assert.equal((await readManifest(place, 'v1', alice)).digest, DIGEST)
  assert.deepEqual(asked, [BASIC])
  await assert.rejects(readManifest(place, 'elsewhere', alice), {
    message: `the registry ${place.url} names a token service that cannot be used`,
    hint: 'credentials are sent only over https://, not to http://127.0.0.1',
  })
})

test('a token service named with a user and password is refused, and these are not printed', async (t) => {
  const { place, url } = await oddRegistry(t, ({ headers }, response) => {
    const realm = `http://u:hidden@${headers.host}/token`
    response.writeHead(401, { 'WWW-Authenticate': `Bearer realm="${realm}"` }).end()
  })
  await assert.rejects(readManifest(place, 'v1', alice), {
    message: `the registry ${url} names a token service that cannot be used`,
    hint: 'its realm contains a user name or password',
  })
})

test('a token service does not get the password unencrypted by a redirect, not even one to itself', async (t) => {
  const asked: (string | undefined)[] = []
  const place = await secureRegistry(t, ({ url, headers }, response) => {
    asked.push(url?.split('?')[0])
    if (url?.startsWith('/token') === true) response.writeHead(307, { Location: `http://${headers.host}/token/` }).end()
    else response.writeHead(401, { 'WWW-Authenticate': `Bearer realm="https://${headers.host}/token"` }).end()
  })
  const http = place.url.replace('https:', 'http:')
  await assert.rejects(readManifest(place, 'v1', alice), {
    message: `the registry ${place.url} returns no token: 307`,
    hint: `it redirects to ${http}/token/, which is not followed: the registry must name that address itself`,
  })
  assert.deepEqual(asked, ['/v2/team/app/manifests/v1', '/token'])
})
