import { z } from 'zod'
import type { JsonObject } from '../tuf/json/json.ts'
import { BASE_ROLES } from '../tuf/role.ts'
import { count, keyId, list, texts, time } from './answers.ts'

const signingNeed = z.lazy(() =>
  z
    .object({
      threshold: count,
      keys: list(
        z.object({ id: z.string().meta({ description: 'key id as root names it' }), keyId, signed: z.boolean() }),
      ),
    })
    .meta({ id: 'SigningNeed', description: 'keys of which at least "threshold" must sign' }),
)

/** A root that waits for signatures. */
export const stagedRootAnswer = z.lazy(() =>
  z
    .object({
      gun: z.string(),
      version: count,
      payload: (z.looseObject({}) as z.ZodType<JsonObject>).meta({
        description: 'the "signed" member of the root; signatures are over its canonical JSON',
      }),
      signatures: list(
        z.object({ keyid: z.string(), method: z.string(), sig: z.string().meta({ description: 'signature, base64' }) }),
      ),
      reason: z.string().meta({ description: 'what the root is for, in a few words' }),
      by: z.string().meta({ description: 'who staged the root' }),
      at: time,
      former: signingNeed
        .optional()
        .meta({ description: 'keys of the current root, which must agree; missing for a first root' }),
      own: signingNeed.meta({ description: 'keys that the staged root itself names' }),
      complete: z.boolean().meta({ description: 'whether there are enough signatures to publish the root' }),
    })
    .meta({ id: 'StagedRoot' }),
)

/** One waiting root: its purpose, and whose signatures it lacks. */
export const stagedRootRow = z.lazy(() =>
  stagedRootAnswer.unwrap().omit({ payload: true, signatures: true }).meta({ id: 'StagedRootRow' }),
)
export type StagedRootRow = z.output<typeof stagedRootRow>

/** What a rotation would do, without doing it. */
export const rotationPlan = z.lazy(() =>
  z
    .object({
      gun: z.string(),
      roles: list(z.enum(BASE_ROLES)),
      version: count.meta({ description: 'version of the next root' }),
      signers: list(keyId).meta({ description: 'keys of which at least "threshold" must sign' }),
      threshold: count,
      commonName: z.string().meta({
        description: 'common name in the current root certificates: the repository, or a prefix and *',
      }),
      certificates: texts.meta({ description: 'current root certificates with ECDSA keys, PEM in base64' }),
      serverSigns: texts.meta({ description: 'roles that the server signs along with the next root' }),
      cachedRoots: list(z.object({ version: count, follows: z.boolean(), why: z.string().exactOptional() })).meta({
        description: 'for each version of root that clients may have cached, whether they follow without an error',
      }),
      breaks: texts.meta({ description: 'what stops working, and for whom; empty: nothing' }),
      obstacles: texts.meta({ description: 'why the rotation cannot be done; empty: it can' }),
    })
    .meta({ id: 'RotationPlan' }),
)
