import assert from 'node:assert/strict'
import { test } from 'node:test'
import { auditJournal } from '../../src/admin/audit.ts'
import type { JournalEntry, JournalQuery } from '../../src/store/store.ts'
import { TrustError } from '../../src/errors.ts'
import { remove } from '../../src/repository/remove.ts'
import { TEST_ACTOR } from '../support/local-trust.ts'
import { GUN, withSigner } from '../support/owned-repository.ts'
import { worldOf } from '../support/people.ts'

test('entries with thousands of tags are spread over more pages, and none is missing', async (t) => {
  const { here } = await withSigner(t)
  const real = here.trust.store
  const change = { role: 'targets', tag: 'v1', from: null, to: 'a'.repeat(64) }
  function* journal(query?: JournalQuery): IterableIterator<JournalEntry> {
    for (const entry of real.journal(query)) yield { ...entry, changes: Array.from({ length: 30_000 }, () => change) }
  }
  const world = worldOf({ trust: { ...here.trust, store: { ...real, journal } } })
  const ends = real.tail().number
  for (const direction of ['after', 'before'] as const) {
    const numbers: number[] = []
    let answers = 0
    let next: number | null = direction === 'after' ? 0 : ends + 1
    while (next !== null) {
      const page: { entries: readonly { number: number }[]; next: number | null } = await auditJournal.run(
        world,
        { [direction]: next, limit: 1_000 },
        TEST_ACTOR,
      )
      numbers.push(...page.entries.map(({ number }) => number))
      answers += 1
      next = page.next
    }
    const all = Array.from({ length: ends }, (_, index) => index + 1)
    assert.deepEqual(numbers, direction === 'after' ? all : all.toReversed())
    assert.equal(answers, Math.floor(ends / 2) + 1)
  }
})

test('a request looks at two thousand entries, and says where the next one continues', async (t) => {
  const { here } = await withSigner(t)
  const real = here.trust.store
  const [sample] = real.journal()
  assert.ok(sample)
  const ends = 2_500
  function* journal({ after = 0 }: JournalQuery = {}): IterableIterator<JournalEntry> {
    for (let number = after + 1; number <= ends; number += 1) yield { ...sample!, number }
  }
  const store = { ...real, journal, tail: () => ({ ...real.tail(), number: ends }) }
  const world = worldOf({ trust: { ...here.trust, store } })
  const ask = (more: object): ReturnType<typeof auditJournal.run> =>
    auditJournal.run(world, { actor: 'user:nobody', limit: 1, ...more }, TEST_ACTOR)
  assert.deepEqual(await ask({}), { entries: [], next: 501 })
  assert.deepEqual(await ask({ before: 501 }), { entries: [], next: null })
})

test('with two bounds, both hold on every page', async (t) => {
  const { here } = await withSigner(t)
  const world = worldOf({ trust: here.trust })
  const ends = here.trust.store.tail().number
  assert.ok(ends >= 4)
  const first = await auditJournal.run(world, { after: 1, before: ends, limit: 1 }, TEST_ACTOR)
  assert.deepEqual([first.entries.map(({ number }) => number), first.next], [[2], 2])
  const rest = await auditJournal.run(world, { after: 2, before: ends, limit: 1_000 }, TEST_ACTOR)
  const between = Array.from({ length: ends - 3 }, (_, index) => index + 3)
  assert.deepEqual([rest.entries.map(({ number }) => number), rest.next], [between, null])
})

test('a name that was never here is refused; one that was deleted or is damaged has its entries', async (t) => {
  const { here } = await withSigner(t)
  const audit = async (gun: string, trust = here.trust): Promise<number> =>
    (await auditJournal.run(worldOf({ trust }), { gun, limit: 1_000 }, TEST_ACTOR)).entries.length
  const entries = await audit(GUN)
  assert.ok(entries > 0)
  await assert.rejects(audit(`${GUN}s`), { code: 'NOT_FOUND', message: `there is no repository ${GUN}s` })
  assert.equal(await audit('example.org/none/*'), 0)
  await remove(here.trust, GUN, TEST_ACTOR)
  assert.equal(await audit(GUN), entries + 1)
  const head = (): never => {
    throw new TrustError('CORRUPT', 'a stored record is damaged')
  }
  assert.equal(await audit(GUN, { ...here.trust, store: { ...here.trust.store, head } }), entries + 1)
})
