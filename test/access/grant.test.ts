import assert from 'node:assert/strict'
import { array, assert as check, constant, constantFrom, oneof, property, record, uniqueArray } from 'fast-check'
import { describe, test } from 'node:test'
import { covers, formatGrant, parseGrant, parsePattern } from '../../src/access/grant.ts'
import { ACTIONS, allows, matches, type Action, type Grant } from '../../src/access/permission.ts'
import { parseGun } from '../../src/tuf/gun.ts'

const who = (...grants: string[]): { name: string; grants: Grant[] } => ({ name: 'x', grants: grants.map(parseGrant) })

describe('grants', () => {
  test('are formatted as they are parsed; actions end at the first colon', () => {
    assert.deepEqual(parseGrant('read,sign:localhost:5000/team/*'), {
      pattern: 'localhost:5000/team/*',
      actions: ['read', 'sign'],
    })
    for (const text of ['read:*', 'admin:a/b', 'rotate,delete:host:1/a/*'])
      assert.equal(formatGrant(parseGrant(text)), text)
  })

  test('with an unknown action or an invalid pattern are refused', () => {
    for (const text of [
      '',
      ':',
      ':*',
      'read',
      'read:',
      'write:*',
      'read,:*',
      'Read:*',
      'read sign:*',
      'read:/a',
      'read:a/',
      'read:**',
    ]) {
      assert.throws(() => parseGrant(text), { code: 'INVALID_PARAMETERS' }, text)
    }
    for (const text of ['a/*/b', '*/a', 'a*', 'a/**', '/*', '../*', 'a/../*', 'a//*', '']) {
      assert.throws(() => parsePattern(text), { code: 'INVALID_PARAMETERS' }, text)
    }
  })

  test('a pattern matches the repositories below it and nothing beside it', () => {
    for (const [pattern, gun, expected] of [
      ['*', 'a', true],
      ['a/b', 'a/b', true],
      ['a/b', 'a/b/c', false],
      ['a/*', 'a/b', true],
      ['a/*', 'a/b/c', true],
      ['a/*', 'a', false],
      ['a/*', 'ab/c', false],
      ['a/*', 'A/b', false],
    ] as const) {
      assert.equal(matches(pattern, parseGun(gun)), expected, `${pattern} ${gun}`)
    }
  })

  test('nobody can grant what they may not do', () => {
    const giver = who('read,sign:a/*', 'rotate:a/b')
    for (const [grant, expected] of [
      ['read:a/*', true],
      ['sign:a/b', true],
      ['sign:a/b/*', true],
      ['rotate:a/b', true],
      ['rotate:a/b/*', false],
      ['rotate:a/c', false],
      ['read,rotate:a/*', false],
      ['delete:a/b', false],
      ['admin:a/b', false],
      ['read:*', false],
      ['read:a', false],
    ] as const) {
      assert.equal(covers(giver, parseGrant(grant)), expected, grant)
    }
    assert.ok(covers(who('admin:*'), parseGrant('admin:*')))
    assert.ok(!covers({ ...who('admin:*'), bounds: [who('sign:a/*').grants] }, parseGrant('rotate:a/b')))
  })

  const segment = constantFrom('a', 'b', 'ab')
  const name = array(segment, { minLength: 1, maxLength: 3 }).map((parts) => parts.join('/'))
  const pattern = oneof(
    constant('*'),
    name,
    name.map((text) => `${text}/*`),
  )
  const actions = uniqueArray(constantFrom(...ACTIONS), { minLength: 1 })
  const grant = record({ pattern, actions })

  test('a covered grant allows nothing that the giver may not do', () => {
    check(
      property(array(grant, { maxLength: 4 }), grant, name, constantFrom(...ACTIONS), (grants, given, text, action) => {
        const giver = { name: 'giver', grants }
        if (!covers(giver, given)) return
        const gun = parseGun(text)
        const may = (one: { name: string; grants: readonly Grant[] }, what: Action): boolean => allows(one, what, gun)
        assert.ok(!may({ name: 'taker', grants: [given] }, action) || may(giver, action))
      }),
    )
  })

  test('a bound never adds a permission', () => {
    check(
      property(grant, grant, name, constantFrom(...ACTIONS), (own, bound, text, action) => {
        const gun = parseGun(text)
        const free = { name: 'x', grants: [own] }
        const both = allows(free, action, gun) && allows({ name: 'y', grants: [bound] }, action, gun)
        assert.equal(allows({ ...free, bounds: [[bound]] }, action, gun), both)
      }),
    )
  })
})
