import { z } from 'zod'
import { count, list, sha256, time } from './answers.ts'

/** The kind of an entry. */
export const entryKind = z.enum(['publish', 'renew', 'key', 'delete', 'record', 'clock'])

const actor = z.lazy(() =>
  z.object({
    name: z.string().meta({ description: 'user:alice, token:ci, anonymous, server (nobody asked), local' }),
    address: z.string().optional().meta({ description: 'remote address, when there is one' }),
    requestId: z.string().exactOptional(),
  }),
)

const record = z.lazy(() =>
  z.object({
    kind: z.string().meta({ description: 'user, token, signer, policy, root-key, staged-root …' }),
    name: z.string(),
    action: z.string().exactOptional().meta({ description: 'staged, signed … of a root that waits' }),
    sha256: sha256.nullable().meta({ description: 'SHA-256 of its value, hex; null: removed' }),
  }),
)

const tagChange = z.lazy(() =>
  z.object({
    role: z.string().meta({ description: 'targets, or the delegation that signs it' }),
    tag: z.string(),
    from: sha256.nullable().meta({ description: 'SHA-256 of the manifest, hex; null: it was not signed before' }),
    to: sha256.nullable().meta({ description: 'the same; null: it is not signed any more' }),
  }),
)

const roleChange = z.lazy(() =>
  z.object({
    role: z.string(),
    added: list(z.string()).meta({
      description: 'ids of keys that may sign it now; of root those of its certificates',
    }),
    removed: list(z.string()).meta({ description: 'ids of keys that may not any more' }),
    certified: list(z.object({ certificate: z.string(), key: z.string() }))
      .exactOptional()
      .meta({
        description: 'of those that are certificates: the id by which people and key files name the key in it',
      }),
    threshold: count
      .nullable()
      .meta({ description: 'how many of its keys must sign; null: it is no longer delegated' }),
    paths: list(z.string())
      .exactOptional()
      .meta({ description: 'of a delegation: prefixes of names that it may sign' }),
  }),
)

/** One line of the journal. */
export const journalEntry = z.lazy(() =>
  z
    .object({
      number: count.meta({ description: '1, 2, 3, … without gaps' }),
      previous: sha256.meta({ description: 'SHA-256 of the entry before this one, hex; 64 zeros for the first' }),
      time,
      gun: z.string().meta({ description: 'empty: the server itself' }),
      kind: entryKind,
      revision: count.meta({ description: 'of the repository after this' }),
      actor,
      documents: list(z.object({ role: z.string(), version: count, sha256, keyIds: list(z.string()) })),
      keys: list(z.object({ role: z.string(), keyId: z.string(), sha256 })),
      records: list(record),
      changes: list(tagChange).meta({ description: 'names whose signature has changed' }),
      roles: list(roleChange).exactOptional().meta({ description: 'roles whose signers have changed' }),
      head: sha256.meta({ description: 'SHA-256 of the record of what is current after this, hex' }),
    })
    .meta({ id: 'JournalEntry' }),
)

/** Stands for an entry that cannot be read. */
export const damagedEntry = z.lazy(() =>
  z.object({ number: count, damaged: z.string().meta({ description: 'why' }) }).meta({ id: 'DamagedEntry' }),
)
