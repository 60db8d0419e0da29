import type { CaptureReplay } from '../support/capture-replay.ts'
import type { ServerRole } from '../../src/tuf/role.ts'
import { answeredDocument, captureNames, uploadedDocuments, type Recorded } from '../support/captures.ts'

/** Restores what happened on the recorded server before a recording and is missing from it. */
type Before = (replay: CaptureReplay, recording: readonly Recorded[]) => Promise<void>

/** Consecutive recordings of one sequence. */
interface Conversation {
  readonly name: string
  readonly captures: readonly string[]
  /** By the number of the recording that needs it. */
  readonly before?: Readonly<Record<string, Before>>
}

/** Prepares an existing repository with the server's keys for these roles. */
function existing(...roles: ServerRole[]): Before {
  return async (replay, recording) => {
    const root = recording.map(answeredDocument).find((document) => document?.role === 'root')
    if (root === undefined) throw new Error('no root in the recording')
    await replay.importState(recording)
    await replay.importKeys(recording, root.bytes, roles)
  }
}

/** Prepares a missing repository for which the keys in the first root were handed out. */
const keysAskedFor: Before = async (replay, recording) => {
  const published = recording.filter(({ response }) => response.status === 200).flatMap(uploadedDocuments)
  const root = published.find(({ role }) => role === 'root')
  if (root === undefined) throw new Error('no root was published')
  await replay.importKeys(recording, root.bytes, ['timestamp', 'snapshot'])
}

export const CONVERSATIONS: readonly Conversation[] = [
  {
    name: 'a repository: publish, list, rotate every key',
    captures: numbered('01 02 04 05 06 07 08 09 10 11 12 13 14 15 16 17 18 19 20 21'),
  },
  {
    name: 'delegations, and deleting the repository',
    captures: numbered('30 31 32 33 34 35 36 37 38 39 40 41 42 43 44 45 46 47 49 49b 49c'),
    // Before it, the client gave the snapshot role to the server.
    before: { '33': existing('snapshot') },
  },
  { name: 'five clients publish at once', captures: numbered('50'), before: { '50': existing('timestamp') } },
  { name: 'a repository that was deleted is made anew', captures: numbered('51 52 53') },
  { name: 'every route and method', captures: numbered('55'), before: { '55': existing('timestamp', 'snapshot') } },
  { name: 'uploads, mostly refused', captures: numbered('56'), before: { '56': keysAskedFor } },
  { name: 'docker signs a new repository', captures: numbered('82 82b 83 84 85') },
  { name: 'docker pushes to a new repository', captures: numbered('82c') },
  { name: 'docker works with signers', captures: numbered('80 81 87 88 89 90 91 92 93 94 95') },
]

/** Recordings that are not replayed with stand-in keys, and why. */
export const NOT_REPLAYED: readonly { readonly captures: readonly string[]; readonly reason: string }[] = [
  {
    captures: numbered('54'),
    reason: 'the recording starts in the middle: the snapshot and targets that the server had are not in it',
  },
  { captures: numbered('57'), reason: 'the recording starts after root was published: it is not in it' },
  { captures: numbered('58'), reason: 'replayed with its private keys in life-cycle.test.ts' },
  {
    captures: numbered('60 61 62 63 64 65 66 67 68 70 71 73 74 97 98 99 99b'),
    reason: 'needs authentication: the replay has neither the users nor the token service of the recorded server',
  },
]

/** Returns the names of recordings by their numbers. */
function numbered(numbers: string): string[] {
  const names = captureNames()
  return numbers.split(' ').map((number) => {
    const name = names.find((candidate) => candidate.startsWith(`${number}-`))
    if (name === undefined) throw new Error(`no recording ${number}`)
    return name
  })
}
