import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readManifest } from '../../src/registry/manifest.ts'
import { notaryServer } from '../../src/registry/notary-server.ts'
import { parseGun } from '../../src/tuf/gun.ts'
import { alice, challenge, oddRegistry } from '../support/odd-registry.ts'
import { oddServer } from '../support/odd-server.ts'

const JSON_TYPE = { 'Content-Type': 'application/json; charset=utf-8' }
const withMessage = (message: string): string => JSON.stringify({ errors: [{ code: 'DENIED', message }] })

test('why a registry refuses is quoted, in the forms that docker reads', async (t) => {
  const unsigned = 'The image is not signed by cosign.'
  const cases: [status: number, body: string, said: string][] = [
    [412, withMessage(unsigned), `answers 412 ("${unsigned}")`],
    [
      403,
      withMessage('Your authorization token has expired.'),
      'denies access ("Your authorization token has expired.")',
    ],
    [403, '{"errors":[{"code":"DENIED"}]}', 'denies access ("DENIED")'],
    [401, '{"details":"no such user"}', 'denies access ("no such user")'],
    [500, '{"error":"x","error_description":"on fire"}', 'answers 500 ("on fire")'],
    [500, withMessage('long'.repeat(1_000)), `answers 500 ("${'long'.repeat(75)}")`],
    // Nothing that could be quoted.
    [500, withMessage('x'.repeat(70_000)), 'answers 500'],
    ...['', '{', 'null', '[]', '{}', '{"errors":[null]}', '{"errors":{}}', '{"errors":5}', '{"details":5}'].map(
      (body): [number, string, string] => [500, body, 'answers 500'],
    ),
  ]
  for (const [status, body, said] of cases) {
    const { place, url } = await oddRegistry(t, (request, response) => {
      if (request.headers.authorization === undefined) challenge(request, response)
      else response.writeHead(status, JSON_TYPE).end(body)
    })
    await assert.rejects(readManifest(place, 'v1', alice), { message: `the registry ${url} ${said}` }, body)
  }
})

test('too many requests: the hint says when to try again', async (t) => {
  const hints: [headers: Record<string, string>, hint: string][] = [
    [{ 'Retry-After': '60' }, 'try again in 60 seconds'],
    [{ 'Retry-After': 'Wed, 21 Oct 2026 07:28:00 GMT' }, 'try again later'],
    [{}, 'try again later'],
  ]
  const gun = parseGun('registry.example/app')
  for (const [headers, hint] of hints) {
    const answer = { ...JSON_TYPE, ...headers }
    const { place, url } = await oddRegistry(t, (_, response) =>
      response.writeHead(429, answer).end(withMessage('slow')),
    )
    await assert.rejects(readManifest(place, 'v1', alice), {
      message: `the registry ${url} answers 429 ("slow")`,
      hint,
    })
    const asking = notaryServer(url, gun, { credentials: alice }).document('root')
    await assert.rejects(asking, { message: `${url} answers 429 ("slow")`, hint })
  }
})

test('why there is no token is quoted, and only a wrong password gets the hint to log in', async (t) => {
  const login = (host: string): string => `docker login ${host}`
  const cases: [status: number, hint: ((host: string) => string) | undefined][] = [
    [400, login],
    [401, login],
    [403, (host) => `check the name, or ${login(host)} with an account that may pull it`],
    [404, undefined],
    [500, undefined],
    [429, () => 'try again later'],
  ]
  for (const [status, hint] of cases) {
    const { url } = await oddServer(t, (request, response) => {
      if (request.url?.startsWith('/token') !== true) challenge(request, response)
      else response.writeHead(status, JSON_TYPE).end('{"details":"bad \\u001b luck"}')
    })
    const { host } = new URL(url)
    const place = { url, repository: 'team/app', account: host }
    await assert.rejects(readManifest(place, 'v1', alice), {
      message: `the registry ${url} returns no token: ${status} ("bad \u001b luck")`,
      hint: hint?.(host),
    })
  }
})

test('a registry that does not say whether a repository exists: the hint is to check its name, too', async (t) => {
  for (const status of [401, 403]) {
    const { place, url } = await oddRegistry(t, (request, response) => {
      if (request.headers.authorization === undefined) challenge(request, response)
      else response.writeHead(status).end()
    })
    await assert.rejects(readManifest(place, 'v1', alice), {
      message: `the registry ${url} denies access`,
      hint: 'check the name, or docker login with an account that may pull it',
    })
  }
})

test('a web page instead of a reason shows that something before the registry refused', async (t) => {
  const page = { 'Content-Type': 'text/html; charset=UTF-8' }
  const { place, url } = await oddRegistry(t, (_, response) =>
    response.writeHead(403, page).end('<title>Just a moment'),
  )
  await assert.rejects(readManifest(place, 'v1', alice), {
    message: `the registry ${url} denies access with a web page: a proxy or firewall may have answered`,
  })
})
