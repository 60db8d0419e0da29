import assert from 'node:assert/strict'
import { test } from 'node:test'
import { registryPlace } from '../../src/registry/reference.ts'
import { parseGun } from '../../src/tuf/gun.ts'

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
