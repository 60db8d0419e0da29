import assert from 'node:assert/strict'
import { test } from 'node:test'
import { TrustError } from '../../src/errors.ts'
import { failureTexts, forEachRepository, outcomeTable } from '../../src/cli/fleet.ts'

test('of many repositories, what failed is said below the table, and what to do about it once', () => {
  const failed = (gun: string) =>
    ({ gun, state: 'failed', error: `${gun} waits`, hint: `countersign root sign ${gun}` }) as const
  const done = { gun: 'a/2', state: 'rotated', version: 2 } as const
  const other = { gun: 'a/4', state: 'failed', error: 'no', hint: 'try again' } as const
  assert.equal(
    outcomeTable([failed('a/1'), done, failed('a/3'), other]),
    [
      'REPOSITORY  STATE    ROOT',
      'a/1         failed',
      'a/2         rotated  2',
      'a/3         failed',
      'a/4         failed',
      '4 repositories: 3 failed, 1 rotated',
      'error: GUN waits, for these 2:',
      '  a/1',
      '  a/3',
      'error: a/4: no',
      'hint: countersign root sign GUN',
      'hint: try again',
    ].join('\n'),
  )
  assert.match(outcomeTable([failed('a/1'), done]), /\nerror: a\/1: a\/1 waits\nhint: countersign root sign a\/1$/)
})

test('failures that differ only in the name are one, the most common first, so that the others stand out', () => {
  const failed = (gun: string, error: string) => ({ gun, state: 'failed', error, hint: undefined }) as const
  const none = (gun: string) => failed(gun, `there has no trust data for ${gun}`)
  assert.deepEqual(failureTexts([failed('a/1', 'it is too old'), none('a/2'), none('a/3')]), [
    'there has no trust data for GUN, for these 2:\n  a/2\n  a/3',
    'a/1: it is too old',
  ])
})

test('a server that stops, or can store nothing more, is asked for no other repository', async () => {
  const asked: string[] = []
  const outcomes = await forEachRepository(['a/1', 'a/2', 'a/3', 'a/4'], async (gun) => {
    asked.push(gun)
    if (gun === 'a/1') throw new TrustError('NOT_FOUND', 'there is none')
    throw new TrustError('STORE_UNAVAILABLE', 'the server stopped')
  })
  assert.deepEqual(asked, ['a/1', 'a/2'])
  assert.deepEqual(
    outcomes.map((each) => 'error' in each && each.error),
    ['there is none', 'the server stopped', 'not started: the server stopped', 'not started: the server stopped'],
  )
})
