import assert from 'node:assert/strict'
import { test } from 'node:test'
import { rootKeyUses } from '../../src/repository/roots/key-uses.ts'
import { parseGun } from '../../src/tuf/gun.ts'
import { localTrustFor } from '../support/local-trust.ts'

test('requests get their turn while all repositories are searched for a root key', async (t) => {
  const { trust } = await localTrustFor(t, Date.parse('2026-11-24T08:00:00.000Z'))
  let turns = 0
  const turn = (): void => {
    turns += 1
    waiting = setImmediate(turn)
  }
  let waiting = setImmediate(turn)
  /** For each repository, the number of turns before it was looked at. */
  const looked: number[] = []
  const store = {
    ...trust.store,
    async *guns() {
      for (let index = 0; index < 20; index += 1) yield parseGun(`example.org/r${index}`)
    },
    // Takes as long as a repository whose root is not decoded yet.
    head() {
      looked.push(turns)
      const until = performance.now() + 2
      while (performance.now() < until);
      return undefined
    },
  }
  assert.deepEqual(await rootKeyUses({ ...trust, store }, 'a'.repeat(64)), { uses: [], damaged: [] })
  clearImmediate(waiting)
  assert.equal(looked.length, 20)
  assert.ok(new Set(looked).size > 2, looked.join())
})
