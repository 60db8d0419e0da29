import { setImmediate } from 'node:timers/promises'
import { z } from 'zod'
import { damageIn } from '../errors.ts'
import { currentRoot } from '../repository/current.ts'
import { signedTags } from '../repository/signed-tags.ts'
import type { Trust } from '../repository/trust.ts'
import { entriesFrom } from '../store/journal-reader.ts'
import { withoutBlocking } from '../store/without-blocking.ts'
import type { Gun } from '../tuf/gun.ts'
import { list, texts } from './answers.ts'
import { digestInput, hexOf } from './inputs.ts'
import { operation } from './operation.ts'
import { isUnder, placeOf, sighting, Sightings, type Sighting } from './sightings.ts'

export const findDigest = operation({
  name: 'find',
  method: 'GET',
  path: '/digests/:digest',
  summary:
    'Where a digest is signed and since when, and where it was signed before; `warnings` names unreadable journal entries.',
  action: 'admin',
  input: z.strictObject({ digest: digestInput }),
  answer: () =>
    z.object({
      digest: z.string(),
      now: list(sighting),
      before: list(sighting),
      warnings: texts.meta({
        description: 'journal entries that cannot be read: what they record is missing from the answer',
      }),
    }),
  async run({ trust, gone: waiting }, { digest }) {
    const gone = waiting?.()
    const hex = hexOf(digest)
    const journal = new Sightings(hex)
    const warnings: string[] = []
    for await (const entry of withoutBlocking(entriesFrom(trust.store, 1, 1))) {
      gone?.throwIfAborted()
      if ('damaged' in entry) warnings.push(`journal entry ${entry.number} is damaged: what it records is missing here`)
      else journal.add(entry)
    }
    const { before } = journal
    const now: Sighting[] = []
    for (const [gun, open] of journal.open()) {
      await setImmediate()
      gone?.throwIfAborted()
      const found = await signedNow(trust, gun as Gun, hex, open)
      // One by one: a repository may have more tags than a call may have arguments.
      for (const each of found.now) now.push(each)
      for (const each of found.before) before.push(each)
    }
    return { digest, now, before, warnings }
  },
})

/**
 * Returns which sightings are signed now: a dropped delegation signs nothing any more, with no journal entry of its own.
 */
async function signedNow(
  trust: Trust,
  gun: Gun,
  hex: string,
  open: readonly Sighting[],
): Promise<{ now: Sighting[]; before: Sighting[] }> {
  try {
    const head = trust.store.head(gun)
    const root = currentRoot(trust, gun, head)
    const all = head && root && (await signedTags(trust, gun, head, root, trust.now()))
    const tags = all?.tags.filter(({ digest }) => digest === hex) ?? []
    const signed = new Map(tags.map((tag) => [placeOf(tag.role, tag.tag), tag]))
    const [now, before]: [Sighting[], Sighting[]] = [[], []]
    for (const each of open) {
      const found = signed.get(placeOf(each.role, each.tag))
      // If metadata is damaged, what it signs cannot be read, nor what is delegated below it.
      const [, damage] = [...(all?.damaged ?? [])].find(([role]) => isUnder(role, each)) ?? []
      if (found !== undefined) {
        now.push({ ...each, until: null, ...(found.unseen === undefined ? {} : { unseen: found.unseen }) })
      } else if (damage !== undefined) now.push({ ...each, until: null, damaged: damage.message })
      // Neither dropped nor ended: then it ended after the journal was read.
      else before.push({ ...each, until: each.until ?? new Date(trust.now()).toISOString() })
    }
    return { now, before }
  } catch (error) {
    const damaged = damageIn(error).message
    return { now: open.map((each) => ({ ...each, until: null, damaged })), before: [] }
  }
}
