import { isAbsolute } from 'node:path'
import { z } from 'zod'
import { LOCAL } from '../access/permission.ts'
import { TrustError } from '../errors.ts'
import { count } from './answers.ts'
import { operation } from './operation.ts'

export const makeBackup = operation({
  name: 'backup',
  method: 'POST',
  path: '/backup',
  summary:
    'Copy the database, anchor and keys, as they are at one moment, into a new directory on the server. Only through the control socket.',
  action: 'admin',
  input: z.strictObject({
    directory: z.string().refine(isAbsolute, 'must be an absolute path').meta({
      description: 'directory where the server runs, absolute; the server creates it, unless it exists and is empty',
    }),
  }),
  answer: () =>
    z.object({
      directory: z.string(),
      commits: count.meta({ description: 'number of the newest journal entry' }),
      records: count,
    }),
  async run({ backUp, gone, rehearsal }, { directory }, actor) {
    // A backup contains keys, and goes wherever the caller says.
    if (actor.name !== LOCAL.name) {
      throw new TrustError('FORBIDDEN', 'a backup is made where the server runs: countersign backup')
    }
    if (rehearsal === true) throw new TrustError('INVALID_PARAMETERS', 'a backup cannot be rehearsed')
    return { directory, ...(await backUp(directory, gone?.())) }
  },
})
