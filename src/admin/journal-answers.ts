import { z } from 'zod'
import { count, list, sha256, time } from './answers.ts'

/** The kind of an entry. */
export const entryKind = z.enum(['publish', 'renew', 'key', 'delete', 'record', 'clock'])

const actor = z.lazy(() =>
  z.object({
    name: z
      .string()
      .meta({ description: 'name of the actor: user:alice, token:ci, anonymous, server (nobody asked), local' }),
    address: z.string().optional().meta({ description: 'remote address, if there is one' }),
    requestId: z.string().exactOptional(),
  }),
)

const record = z.lazy(() =>
  z.object({
    kind: z.string().meta({ description: 'kind of the record: user, token, signer, policy, root-key, staged-root …' }),
    name: z.string(),
    action: z.string().exactOptional().meta({
      description: 'what happened to a user, token, root key or staged root: "added, may …", "revoked", "signed" …',
    }),
    sha256: sha256.nullable().meta({ description: "SHA-256 of the record's value, hex; null: the record was removed" }),
  }),
)

const tagChange = z.lazy(() =>
  z.object({
    role: z.string().meta({ description: 'role that signs the tag: targets, or a delegation' }),
    tag: z.string(),
    from: sha256
      .nullable()
      .meta({ description: 'SHA-256 of the manifest before the change, hex; null: the tag was not signed' }),
    to: sha256
      .nullable()
      .meta({ description: 'SHA-256 of the manifest after the change, hex; null: the tag is no longer signed' }),
  }),
)

const roleChange = z.lazy(() =>
  z.object({
    role: z.string(),
    added: list(z.string()).meta({
      description: 'ids of keys that may sign the role from now on; for root, those of its certificates',
    }),
    removed: list(z.string()).meta({ description: 'ids of keys that may no longer sign the role' }),
    certified: list(z.object({ certificate: z.string(), key: z.string() }))
      .exactOptional()
      .meta({
        description:
          'for each of these ids that belongs to a certificate, the id by which people and key files name the key in it',
      }),
    threshold: count
      .nullable()
      .meta({ description: 'how many keys of the role must sign; null: the role is no longer delegated' }),
    paths: list(z.string())
      .exactOptional()
      .meta({ description: 'prefixes of the target names that a delegation may sign' }),
  }),
)

/** One line of the journal. */
export const journalEntry = z.lazy(() =>
  z
    .object({
      number: count.meta({ description: 'number of the entry: 1, 2, 3, … without gaps' }),
      previous: sha256.meta({ description: 'SHA-256 of the previous entry, hex; 64 zeros for the first' }),
      time,
      gun: z.string().meta({ description: 'name of the repository; empty: the server itself' }),
      kind: entryKind,
      revision: count.meta({ description: 'revision of the repository after this entry' }),
      actor,
      documents: list(z.object({ role: z.string(), version: count, sha256, keyIds: list(z.string()) })),
      keys: list(z.object({ role: z.string(), keyId: z.string(), sha256 })),
      records: list(record),
      changes: list(tagChange).meta({ description: 'tags whose signature has changed' }),
      roles: list(roleChange)
        .exactOptional()
        .meta({ description: 'roles whose keys, threshold or paths have changed' }),
      head: sha256.meta({ description: 'SHA-256 of the record of what is current after this entry, hex' }),
    })
    .meta({ id: 'JournalEntry' }),
)

/** Stands for an entry that cannot be read. */
export const damagedEntry = z.lazy(() =>
  z
    .object({ number: count, damaged: z.string().meta({ description: 'why the entry cannot be read' }) })
    .meta({ id: 'DamagedEntry' }),
)
