import assert from 'node:assert/strict'
import { test } from 'node:test'
import { allGuns } from '../../src/repository/all-guns.ts'
import { parseGun } from '../../src/tuf/gun.ts'

test('every repository comes once, in order, and requests have their turn in between', async () => {
  const names = Array.from({ length: 2_500 }, (_, index) => parseGun(`docker.io/many/r${index + 10_000}`))
  const store = {
    guns: async (limit: number, after?: string) => names.filter((name) => name > (after ?? '')).slice(0, limit),
  }
  let turns = 0
  const turn = (): void => {
    turns += 1
    waiting = setImmediate(turn)
  }
  let waiting = setImmediate(turn)
  const found: string[] = []
  for await (const gun of allGuns(store)) found.push(gun)
  clearImmediate(waiting)
  assert.deepEqual(found, names)
  assert.ok(turns >= names.length / 2, `${turns} turns`)
})
