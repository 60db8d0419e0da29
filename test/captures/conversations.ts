import type { CaptureReplay } from '../support/capture-replay.ts'
import type { ServerRole } from '../../src/tuf/role.ts'
import { answeredDocument, uploadedDocuments, type Recorded } from '../support/captures.ts'

/** Makes up for what happened on the recorded server before a recording, and is not in it. */
type Before = (replay: CaptureReplay, recording: readonly Recorded[]) => Promise<void>

/** Recordings that tell one story, in order. */
export interface Conversation {
  readonly name: string
  readonly captures: readonly string[]
  /** By the recording that it is needed for. */
  readonly before?: Readonly<Record<string, Before>>
}

/** The repository is there, and these are the server's keys. */
function existing(...roles: ServerRole[]): Before {
  return async (replay, recording) => {
    const root = recording.map(answeredDocument).find((document) => document?.role === 'root')
    if (root === undefined) throw new Error('no root in the recording')
    await replay.importState(recording)
    await replay.importKeys(recording, root.bytes, roles)
  }
}

/** The repository is not there, and the keys that the first root names were asked for. */
const keysAskedFor: Before = async (replay, recording) => {
  const published = recording.filter(({ response }) => response.status === 200).flatMap(uploadedDocuments)
  const root = published.find(({ role }) => role === 'root')
  if (root === undefined) throw new Error('no root was published')
  await replay.importKeys(recording, root.bytes, ['timestamp', 'snapshot'])
}

export const CONVERSATIONS: readonly Conversation[] = [
  {
    name: 'a repository: publish, list, rotate every key',
    captures: [
      ...['01-list-nonexistent-repo', '02-init', '04-publish-initial', '05-list-own-cache', '06-list-cold-tofu'],
      ...['07-lookup-warm', '08-lookup-missing-target', '09-add-publish-html-chars', '10-list-after-update'],
      ...['11-remove-publish', '12-rotate-snapshot-to-server', '13-list-after-rotate-stale-root'],
      ...['14-publish-with-server-snapshot', '15-rotate-timestamp', '16-rotate-targets', '17-rotate-root'],
      ...['18-rotate-root-again', '19-list-walks-intermediate-roots', '20-rotate-snapshot-to-client'],
      '21-list-cold-after-all',
    ],
  },
  {
    name: 'delegations, and deleting the repository',
    captures: [
      ...['30-init-and-publish-in-one-step', '31-delegation-add-publish'],
      ...['32-delegate-publish-rejected-no-snapshot-key', '33-delegation-add-restricted-paths-rsa'],
      ...['34-delegate-publishes-target', '35-rsa-delegate-publishes-target', '36-list-with-delegations-cold'],
      ...['37-delegate-target-outside-path-fails-locally', '38-nested-delegation', '39-nested-delegate-publishes'],
      ...['40-list-delegation-tree-cold', '41-witness', '42-delegation-add-second-key'],
      ...['43-delegation-remove-one-key', '44-delegation-remove-path', '45-delegation-purge-key'],
      ...['46-list-after-purge-role-below-threshold', '47-delegation-remove-role', '49-delete-remote'],
      ...['49b-list-after-delete-with-cache', '49c-list-after-delete-cold'],
    ],
    // The snapshot was handed over to the server in between.
    before: { '33-delegation-add-restricted-paths-rsa': existing('snapshot') },
  },
  {
    name: 'five clients publish at once',
    captures: ['50-concurrent-publish-conflict'],
    before: { '50-concurrent-publish-conflict': existing('timestamp') },
  },
  {
    name: 'a repository that was deleted is made anew',
    captures: [
      '51-publish-after-remote-delete-with-local-root-v7',
      '52-reinit-after-delete',
      '53-list-with-stale-pinned-root-of-recreated-repo',
    ],
  },
  {
    name: 'every route and method',
    captures: ['55-http-surface'],
    before: { '55-http-surface': existing('timestamp', 'snapshot') },
  },
  {
    name: 'uploads, mostly refused',
    captures: ['56-rejected-uploads'],
    before: { '56-rejected-uploads': keysAskedFor },
  },
  {
    name: 'docker signs a new repository',
    captures: [
      ...['82-docker-trust-sign-new-repo', '82b-docker-trust-sign-second-tag', '83-docker-trust-inspect-cold'],
      ...['84-docker-pull-trusted-cold', '85-docker-pull-trusted-warm'],
    ],
  },
  { name: 'docker pushes to a new repository', captures: ['82c-docker-push-trusted-new-repo'] },
  {
    name: 'docker works with signers',
    captures: [
      ...['80-docker-trust-inspect-nonexistent', '81-docker-pull-untrusted-repo', '87-docker-trust-signer-add'],
      ...['88-docker-trust-sign-as-signer', '89-docker-trust-inspect-with-signers'],
      ...['90-docker-pull-trusted-with-releases', '91-docker-push-trusted-new-tag', '92-docker-trust-revoke-tag'],
      ...['93-docker-pull-revoked', '94-docker-trust-signer-remove', '95-docker-trust-revoke-all'],
    ],
  },
]

/** Recordings that are not replayed here, each with the reason. */
export const NOT_REPLAYED: Readonly<Record<string, string>> = {
  '54-readd-delegation-version-conflict':
    'the recording starts in the middle: the snapshot and targets that the server had are not in it',
  '57-delegations-and-server-snapshot': 'the recording starts after root was published: it is not in it',
  '58-replayable-ecdsa-signer': 'replayed with its private keys in life-cycle.test.ts',
  ...Object.fromEntries(
    [
      ...['60-auth-list-anonymous', '61-auth-init-publish-no-credentials', '62-auth-init-publish-pusher'],
      ...['63-auth-list-cold-anonymous', '64-auth-rotate-timestamp-as-pusher-denied'],
      ...['65-auth-rotate-timestamp-as-admin', '66-auth-delete-remote-as-pusher-denied'],
      ...['67-auth-delete-remote-as-admin', '68-auth-bad-credentials', '70-basic-init-publish'],
      ...['71-basic-list-cold', '73-basic-wrong-password', '74-basic-no-creds'],
      ...['97-docker-token-auth-push-new-repo', '98-docker-token-auth-pull-anonymous'],
      ...['99-docker-basic-auth-push', '99b-docker-basic-auth-pull-anonymous'],
    ].map((name) => [name, 'needs authentication, which this server does not have yet']),
  ),
}
