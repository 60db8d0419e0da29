import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readManifest } from '../../src/registry/manifest.ts'
import { alice, BASIC, challenge, DIGEST, manifest, oddRegistry, secureRegistry } from '../support/odd-registry.ts'

test('redirects are followed, with credentials only to the registry itself', async (t) => {
  const elsewhere = await oddRegistry(t, manifest)
  const { place, requests } = await oddRegistry(t, (request, response) => {
    if (request.headers.authorization !== 'Bearer alice') challenge(request, response)
    else if (request.url === '/moved') response.writeHead(301, { Location: `${elsewhere.url}/v2/app` }).end()
    else response.writeHead(308, { Location: '/moved' }).end()
  })
  assert.equal((await readManifest(place, 'v1', alice)).digest, DIGEST)
  assert.deepEqual(requests(), [
    ['/v2/team/app/manifests/v1', undefined],
    ['/token', BASIC],
    ['/v2/team/app/manifests/v1', 'Bearer alice'],
    ['/moved', 'Bearer alice'],
  ])
  assert.deepEqual(elsewhere.requests(), [['/v2/app', undefined]])
  assert.match(String(elsewhere.asked[0]?.headers.accept), /image\.index/)
})

test('another registry, to which the first one redirects, is asked as a stranger', async (t) => {
  const elsewhere = await oddRegistry(t, (request, response) => {
    if (request.headers.authorization === 'Bearer stranger') return manifest(request, response)
    const realm = `http://${request.headers.host}/token`
    const scope = 'repository:mirror/app:pull'
    return response.writeHead(401, { 'WWW-Authenticate': `Bearer realm="${realm}",scope="${scope}"` }).end()
  })
  const { place, requests } = await oddRegistry(t, ({ url = '' }, response) => {
    response.writeHead(307, { Location: `${elsewhere.url}/v2/mirror/app/manifests/${url.split('/').at(-1)}` }).end()
  })
  const unasked = (): never => assert.fail('asked for credentials')
  assert.equal((await readManifest(place, 'v1', unasked)).digest, DIGEST)
  assert.equal(requests().length, 1)
  assert.deepEqual(elsewhere.requests(), [
    ['/v2/mirror/app/manifests/v1', undefined],
    ['/token', undefined],
    ['/v2/mirror/app/manifests/v1', 'Bearer stranger'],
  ])
  assert.equal(elsewhere.asked[1]?.url, '/token?scope=repository%3Amirror%2Fapp%3Apull')
})

test('a registry may redirect only those whom it knows', async (t) => {
  const elsewhere = await oddRegistry(t, (request, response) => {
    if (request.headers.authorization === 'Bearer stranger') manifest(request, response)
    else challenge(request, response)
  })
  const { place } = await oddRegistry(t, (request, response) => {
    if (request.headers.authorization !== 'Bearer alice') challenge(request, response)
    else response.writeHead(307, { Location: `${elsewhere.url}/v2/app` }).end()
  })
  assert.equal((await readManifest(place, 'v1', alice)).digest, DIGEST)
  assert.deepEqual(elsewhere.requests(), [
    ['/v2/app', undefined],
    ['/token', undefined],
    ['/v2/app', 'Bearer stranger'],
  ])
})

test('where a redirect leads to something else, the message names both registries', async (t) => {
  const { url } = await oddRegistry(t, (request, response) => {
    if (request.url === '/basic') response.writeHead(401, { 'WWW-Authenticate': 'Basic realm="x"' }).end()
    else challenge(request, response)
  })
  const from = await oddRegistry(t, (request, response) => {
    const to = request.url?.endsWith('/basic') === true ? '/basic' : '/v2/app/manifests/v1'
    response.writeHead(302, { Location: `${url}${to}` }).end()
  })
  const name = `the registry ${from.url}, which redirects to ${url},`
  const hint = 'give the digest and size of the manifest'
  await assert.rejects(readManifest(from.place, 'v1', alice), { message: `${name} denies access`, hint })
  await assert.rejects(readManifest(from.place, 'basic', alice), { message: `${name} requires a password` })
  const endless = await oddRegistry(t, (_, response) => response.writeHead(302, { Location: '/again' }).end())
  await assert.rejects(readManifest(endless.place, 'v1', alice), {
    message: `${endless.url} redirects more than 10 times`,
  })
  assert.equal(endless.asked.length, 11)
})

test('no redirect is followed that is unencrypted or carries a password', async (t) => {
  const elsewhere = await oddRegistry(t, manifest)
  const secure = await secureRegistry(t, (_, response) => {
    response.writeHead(307, { Location: elsewhere.url }).end()
  })
  await assert.rejects(readManifest(secure, 'v1', alice), {
    message: `the registry ${secure.url} answers 307`,
    hint: `it redirects to ${elsewhere.url}/, which is not followed: give the digest and size of the manifest`,
  })
  const { place } = await oddRegistry(t, (_, response) => {
    response.writeHead(307, { Location: elsewhere.url.replace('//', '//u:hidden@') }).end()
  })
  await assert.rejects(readManifest(place, 'v1', alice), (error: Error & { hint?: string }) => {
    assert.match(error.message, /answers 307$/)
    return !/hidden/.test(error.hint ?? '')
  })
  // An address that reaches this machine, but counts as another one.
  const remote = elsewhere.url.replace('127.0.0.1', '0.0.0.0')
  const local = await oddRegistry(t, (_, response) => {
    response.writeHead(307, { Location: remote }).end()
  })
  await assert.rejects(readManifest(local.place, 'v1', alice), {
    message: `the registry ${local.url} answers 307`,
    hint: `it redirects to ${remote}/, which is not followed: give the digest and size of the manifest`,
  })
  assert.deepEqual(elsewhere.asked, [])
})

test('between two registries that redirect to each other, each gets only what is its own', async (t) => {
  let back = ''
  const elsewhere = await oddRegistry(t, (request, response) => {
    if (request.headers.authorization === 'Bearer stranger') response.writeHead(307, { Location: back }).end()
    else challenge(request, response)
  })
  const { place, requests, url } = await oddRegistry(t, (request, response) => {
    if (request.url !== '/back') response.writeHead(307, { Location: `${elsewhere.url}/v2/app` }).end()
    else if (request.headers.authorization === 'Bearer alice') manifest(request, response)
    else challenge(request, response)
  })
  back = `${url}/back`
  assert.equal((await readManifest(place, 'v1', alice)).digest, DIGEST)
  assert.deepEqual(requests(), [
    ['/v2/team/app/manifests/v1', undefined],
    ['/back', undefined],
    ['/token', BASIC],
    ['/back', 'Bearer alice'],
  ])
  assert.deepEqual(elsewhere.requests(), [
    ['/v2/app', undefined],
    ['/token', undefined],
    ['/v2/app', 'Bearer stranger'],
  ])
})
