import { z } from 'zod'
import { count, keyId, list, sha256, texts, time } from './answers.ts'

/** One line of `repo list`. */
export const repositoryRow = z.lazy(() =>
  z
    .object({
      gun: z.string(),
      version: count.meta({ description: 'version of targets' }),
      delegations: count.meta({ description: 'number of delegations that have signed something' }),
      expires: time.meta({
        description: 'earliest expiry among root, targets, snapshot, and a timestamp that another server signed',
      }),
      signedHere: z.boolean().meta({
        description:
          'whether this server signs the repository; false: adopted from another server, and not signed by this one yet',
      }),
    })
    .meta({ id: 'RepositoryRow' }),
)

/** Stands for a repository, or its staged root, that cannot be read. */
export const damagedRepository = z.lazy(() =>
  z
    .object({
      gun: z.string(),
      damaged: z.string().meta({ description: 'why the repository or its staged root cannot be read' }),
    })
    .meta({ id: 'DamagedRepository' }),
)
export type DamagedRepository = z.output<typeof damagedRepository>

const roleKey = z.lazy(() =>
  z
    .object({
      id: keyId,
      keytype: z.string(),
      holder: z.enum(['server', 'client', 'elsewhere', 'sealed here', 'offline']).meta({
        description:
          'who has the private key or, for a root key that has a name here, where it is. elsewhere: for an adopted repository, the other server or the publisher',
      }),
      unusable: z.string().exactOptional().meta({
        description:
          "why the server cannot use its key now: the PKCS#11 token with it is away, say; missing: it can, or the key is not the server's",
      }),
      certificateEnds: time
        .exactOptional()
        .meta({ description: 'when the certificate of the key ends; root keys only' }),
    })
    .meta({ id: 'RoleKey' }),
)

const describedRole = z.lazy(() =>
  z
    .object({
      role: z.string(),
      version: count.meta({ description: 'version of the metadata; 0: the role has signed nothing yet' }),
      expires: z.union([time, z.literal('')]).meta({ description: 'empty: it has signed nothing yet' }),
      sha256: z.union([sha256, z.literal('')]).meta({ description: 'empty: it has signed nothing yet' }),
      length: count.meta({ description: 'bytes of the metadata' }),
      threshold: count,
      keys: list(roleKey),
      paths: texts.exactOptional().meta({
        description: 'prefixes of the target names that a delegation may sign; delegations only',
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
      role: z.string().meta({ description: 'role that signs the tag' }),
      unseen: z.string().exactOptional().meta({ description: 'why clients do not see the tag; missing: they do' }),
    })
    .meta({ id: 'Tag' }),
)

/** One repository, as `repo show` prints it. */
export const description = z.lazy(() =>
  z
    .object({
      gun: z.string(),
      revision: count.meta({ description: 'revision of the repository: +1 at each change' }),
      roles: list(describedRole).meta({ description: 'the roles root, targets, snapshot and timestamp' }),
      delegations: list(describedRole),
      tags: list(describedTag),
      warnings: texts,
    })
    .meta({ id: 'Repository' }),
)

/** What clients may pin of a repository, as `repo pin` prints it. */
export const pin = z.lazy(() =>
  z
    .object({
      gun: z.string(),
      version: count.meta({ description: 'version of the current root' }),
      threshold: count.meta({ description: 'how many of the keys must sign root' }),
      keys: list(
        z.object({
          certificateId: sha256.meta({
            description: "id by which root names the key's certificate, as trust_pinning.certs of notary wants it",
          }),
          keyId,
          keytype: z.string(),
          certificateEnds: time,
          publicKey: z.string().meta({ description: 'public key, PEM' }),
        }),
      ).meta({ description: 'the root keys that clients accept now' }),
      root: z.string().meta({ description: 'the current root.json, as clients get it' }),
    })
    .meta({
      id: 'Pin',
      description: 'what clients may pin, to believe this root instead of the first one that they see',
    }),
)
