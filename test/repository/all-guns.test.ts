import assert from 'node:assert/strict'
import { test } from 'node:test'
import { TrustError } from '../../src/errors.ts'
import { allGuns } from '../../src/repository/all-guns.ts'
import { parseGun } from '../../src/tuf/gun.ts'

test('every repository is listed once, in order; requests get their turn during long work, and not after each name', async () => {
  const names = Array.from({ length: 2_500 }, (_, index) => parseGun(`docker.io/many/r${index + 10_000}`))
  const store = {
    async *guns(limit: number, after?: string) {
      yield* names.filter((name) => name > (after ?? '')).slice(0, limit)
    },
  }
  let turns = 0
  const turn = (): void => {
    turns += 1
    waiting = setImmediate(turn)
  }
  let waiting = setImmediate(turn)
  const found: string[] = []
  for await (const gun of allGuns(store)) found.push(gun)
  assert.deepEqual(found, names)
  // Otherwise a list beside a search that works long on each repository would take as long as the search.
  assert.ok(turns < names.length / 2, `${turns} turns`)
  turns = 0
  let long = 0
  for await (const _ of allGuns(store)) {
    if (turns >= 20) break
    for (const began = performance.now(); performance.now() - began < 2;);
    long += 1
  }
  clearImmediate(waiting)
  assert.ok(long <= 40, `${long} repositories in 20 turns`)
})

test('when some names cannot be read, all others are listed before the error is thrown', async () => {
  const names = Array.from({ length: 2_500 }, (_, index) => parseGun(`docker.io/many/r${index + 10_000}`))
  const isLost = (index: number): boolean => index >= 1_200 && index < 1_203
  const store = {
    // As LevelDB reads: one name, then many at once. It reads on past what it cannot read, and throws at the end.
    async *guns(limit: number, after?: string) {
      const from = names.findIndex((name) => name > (after ?? ''))
      const range = from < 0 ? [] : names.slice(from).flatMap((name, index) => (isLost(from + index) ? [] : [name]))
      const page = range.slice(0, limit)
      const end = names.indexOf(page.at(-1) ?? names[names.length - 1]!)
      const fails = from >= 0 && names.slice(from, end + 1).some((_, index) => isLost(from + index))
      yield* fails ? page.slice(0, 1) : page
      if (fails) throw new TrustError('CORRUPT', 'the database cannot be read')
    },
  }
  const found: string[] = []
  await assert.rejects(
    async () => {
      for await (const gun of allGuns(store)) found.push(gun)
    },
    { code: 'CORRUPT' },
  )
  assert.deepEqual(
    found,
    names.filter((_, index) => !isLost(index)),
  )
})
