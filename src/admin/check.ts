import { z } from 'zod'
import { count, list } from './answers.ts'
import { operation } from './operation.ts'

const finding = z.lazy(() =>
  z.object({
    severity: z.enum(['error', 'warning']).meta({
      description: 'error: damage, or something that a client refuses; warning: something that people should know',
    }),
    gun: z.string().exactOptional().meta({ description: 'name of the repository, if the finding is about one' }),
    text: z.string(),
  }),
)

export const checkStore = operation({
  name: 'check',
  method: 'GET',
  path: '/check',
  summary: 'Verify everything stored, both as a client would and against the journal.',
  action: 'admin',
  input: z.strictObject({}),
  answer: () =>
    z.object({
      repositories: count,
      commits: count,
      records: z.record(z.string(), count).meta({ description: 'number of records of each kind' }),
      findings: list(finding).meta({ description: 'findings, errors first' }),
    }),
  async run({ check, gone, keysFault }) {
    const report = await check(gone)
    const fault = await keysFault()
    if (fault === undefined) return report
    return { ...report, findings: [{ severity: 'error' as const, text: fault }, ...report.findings] }
  },
})
