import { z } from 'zod'
import { count, keyId, list, sha256, texts, time } from './answers.ts'

/** One line of `repo list`. */
export const repositoryRow = z.lazy(() =>
  z
    .object({
      gun: z.string(),
      version: count.meta({ description: 'of targets' }),
      delegations: count.meta({ description: 'that have signed something' }),
      expires: time.meta({
        description: 'the first end among root, targets, snapshot, and a timestamp that another server signed',
      }),
      signedHere: z
        .boolean()
        .meta({ description: 'false: adopted from another server, and not signed by this one yet' }),
    })
    .meta({ id: 'RepositoryRow' }),
)

/** Stands for a repository, or its staged root, that cannot be read. */
export const damagedRepository = z.lazy(() =>
  z.object({ gun: z.string(), damaged: z.string().meta({ description: 'why' }) }).meta({ id: 'DamagedRepository' }),
)
export type DamagedRepository = z.output<typeof damagedRepository>

const roleKey = z.lazy(() =>
  z
    .object({
      id: keyId,
      keytype: z.string(),
      holder: z.enum(['server', 'client', 'elsewhere', 'sealed here', 'offline']).meta({
        description:
          'who has its private half; of a root key that has a name here: where it is. elsewhere: of an adopted repository, the other server, or its publisher',
      }),
      certificateEnds: time.exactOptional().meta({ description: 'root keys only' }),
    })
    .meta({ id: 'RoleKey' }),
)

const describedRole = z.lazy(() =>
  z
    .object({
      role: z.string(),
      version: count.meta({ description: '0: it has signed nothing yet' }),
      expires: z.union([time, z.literal('')]).meta({ description: 'empty: it has signed nothing yet' }),
      sha256: z.union([sha256, z.literal('')]).meta({ description: 'empty: it has signed nothing yet' }),
      length: count.meta({ description: 'bytes' }),
      threshold: count,
      keys: list(roleKey),
      paths: texts.exactOptional().meta({
        description: 'delegations only: prefixes of the target names that it may sign',
      }),
    })
    .meta({ id: 'Role', description: 'a role, with the keys that may sign it' }),
)

export const describedTag = z.lazy(() =>
  z
    .object({
      tag: z.string(),
      digest: sha256.nullable().meta({
        description: "SHA-256 of the image's manifest, hex; null: signed with another hash only",
      }),
      length: count.meta({ description: 'bytes of the manifest' }),
      role: z.string().meta({ description: 'that signs it' }),
      unseen: z.string().exactOptional().meta({ description: 'why clients do not see it; missing: they do' }),
    })
    .meta({ id: 'Tag' }),
)

/** One repository, as `repo show` prints it. */
export const description = z.lazy(() =>
  z
    .object({
      gun: z.string(),
      revision: count.meta({ description: '+1 at each change' }),
      roles: list(describedRole).meta({ description: 'root, targets, snapshot, timestamp' }),
      delegations: list(describedRole),
      tags: list(describedTag),
      warnings: texts,
    })
    .meta({ id: 'Repository' }),
)
