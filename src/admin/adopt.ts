import { z } from 'zod'
import { adopt } from '../repository/adoption/adopt.ts'
import { parseRole } from '../tuf/role.ts'
import { count, keyId, list, texts, time } from './answers.ts'
import { gunInput, hexInput } from './inputs.ts'
import { operation } from './operation.ts'

/** Most documents of one repository: old roots and current ones. */
const DOCUMENTS_MAX = 2_000

export const adoptRepository = operation({
  name: 'repo.adopt',
  method: 'POST',
  path: '/repositories/:gun/adopt',
  summary: 'Take over a repository from another Notary server: everything that clients need, byte for byte.',
  action: 'admin',
  input: z.strictObject({
    gun: gunInput,
    documents: z
      .array(
        z.strictObject({
          role: z
            .string()
            .transform(parseRole)
            .meta({ description: 'root, targets, snapshot, timestamp or targets/…' }),
          bytes: z.base64().meta({ description: 'the document as it was received' }),
        }),
      )
      .max(DOCUMENTS_MAX)
      .meta({ description: 'every version of root, and the current document of each other role' }),
    trustedRoot: hexInput
      .optional()
      .meta({ description: 'SHA-256 of a root that is known to be right: one of the roots must be that one' }),
  }),
  answer: () =>
    z.object({
      gun: z.string(),
      roots: z.object({ first: count, last: count }).meta({ description: 'first and last version of root' }),
      rootKeys: list(keyId).meta({ description: 'ids of the root keys that the current root trusts' }),
      version: count.meta({ description: 'version of targets' }),
      timestampEnds: time.meta({
        description: 'when the timestamp ends: unless this server signs another one, clients refuse it from then on',
      }),
      warnings: texts,
      changed: z.boolean().meta({ description: 'whether anything was stored; false: everything was here already' }),
      signedHere: z.boolean().meta({
        description: 'whether this server has the timestamp key, and signs with it from now on',
      }),
    }),
  async run({ trust }, { gun, documents, trustedRoot }, actor) {
    const read = documents.map(({ role, bytes }) => ({ role, bytes: Buffer.from(bytes, 'base64') }))
    return { gun, ...(await adopt(trust, gun, read, trustedRoot, actor)) }
  },
})
