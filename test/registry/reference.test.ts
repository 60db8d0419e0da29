import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isNameInDocker, registryPlace } from '../../src/registry/reference.ts'
import { parseGun } from '../../src/tuf/gun.ts'

test('isNameInDocker accepts the repository names that docker accepts', () => {
  const known = [
    'alpine',
    'docker.io/acme/app',
    'LOCALHOST.example:5000/a/b_c/d__e/f--g/h.i',
    'localhost/a',
    '::1/a',
    'NAS/a',
  ]
  for (const gun of known) assert.ok(isNameInDocker(parseGun(gun)), gun)
  const unknown = [
    'docker.io/acme/app:v1',
    'acme/App',
    'docker.io/a b',
    'docker.io/é',
    'docker.io/-a',
    'a/b_',
    'a/b..c',
  ]
  for (const gun of unknown) assert.ok(!isNameInDocker(parseGun(gun)), gun)
})

test('registryPlace maps a name to docker’s registry URL, repository and account', () => {
  const places = [
    'docker.io/library/alpine',
    'docker.io/alpine',
    'index.docker.io/alpine',
    'acme/app',
    'localhost:5000/a/b',
    'localhost/a',
    'registry.example/x',
    'NAS/x',
  ].map((gun) => {
    const { url, repository, account } = registryPlace(parseGun(gun))
    return [url, repository, account]
  })
  const hub = ['https://registry-1.docker.io', 'https://index.docker.io/v1/']
  assert.deepEqual(places, [
    [hub[0], 'library/alpine', hub[1]],
    [hub[0], 'library/alpine', hub[1]],
    [hub[0], 'library/alpine', hub[1]],
    [hub[0], 'acme/app', hub[1]],
    ['http://localhost:5000', 'a/b', 'localhost:5000'],
    ['http://localhost', 'a', 'localhost'],
    ['https://registry.example', 'x', 'registry.example'],
    ['https://NAS', 'x', 'NAS'],
  ])
})
