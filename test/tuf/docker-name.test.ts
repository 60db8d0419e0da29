import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isNameInDocker, nameInDocker } from '../../src/tuf/docker-name.ts'

test('nameInDocker adds what docker adds', () => {
  const names = [
    'alpine',
    'acme/app',
    'docker.io/alpine',
    'index.docker.io/acme/app',
    'localhost/a',
    'NAS/a',
    'nas:1/a/b',
  ]
  assert.deepEqual(names.map(nameInDocker), [
    'docker.io/library/alpine',
    'docker.io/acme/app',
    'docker.io/library/alpine',
    'docker.io/acme/app',
    'localhost/a',
    'NAS/a',
    'nas:1/a/b',
  ])
})

test('isNameInDocker accepts the repository names that docker accepts', () => {
  const known = [
    'alpine',
    'docker.io/acme/app',
    'LOCALHOST.example:5000/a/b_c/d__e/f--g/h.i',
    'localhost/a',
    '::1/a',
    'NAS/a',
  ]
  for (const gun of known) assert.ok(isNameInDocker(gun), gun)
  const unknown = [
    'docker.io/acme/app:v1',
    'acme/App',
    'docker.io/a b',
    'docker.io/é',
    'docker.io/-a',
    'a/b_',
    'a/b..c',
  ]
  for (const gun of unknown) assert.ok(!isNameInDocker(gun), gun)
})
