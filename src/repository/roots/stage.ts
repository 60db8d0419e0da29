import { TrustError } from '../../errors.ts'
import type { Actor, Head, StoredKey } from '../../store/store.ts'
import type { EncodedSignature } from '../../tuf/encode.ts'
import { shellQuoted, type Gun } from '../../tuf/gun.ts'
import type { JsonObject } from '../../tuf/json/json.ts'
import { verifySignature } from '../../tuf/keys/signature.ts'
import { rootKeys } from '../../tuf/root.ts'
import { change, changeWithResult, type Draft } from '../change.ts'
import { currentRoot } from '../current.ts'
import type { Trust } from '../trust.ts'
import {
  descriptionOf,
  notStaged,
  rootOf,
  settleFirst,
  stagedRoot,
  withoutStagedRoot,
  withSignatures,
  type StagedRoot,
  type StagedRootDescription,
} from './staged.ts'

/**
 * Stages a root: stores it until it is signed.
 *
 * @param prepare makes its payload, and the keys to commit with it
 * @throws TrustError WRONG_STATE if another one is staged already; INVALID_PARAMETERS if no client could accept it;
 *   anything `prepare` throws
 */
export async function stageRoot(
  trust: Trust,
  gun: Gun,
  actor: Actor,
  reason: string,
  prepare: (head: Head | undefined, now: number) => Promise<{ payload: JsonObject; keys: readonly StoredKey[] }>,
): Promise<StagedRootDescription> {
  return changeWithResult(trust, gun, async (head, now) => {
    const waiting = stagedRoot(trust, gun)
    if (waiting !== undefined) {
      throw new TrustError('WRONG_STATE', `a root of ${gun} is already waiting for signatures: ${waiting.reason}`, {
        hint: settleFirst(gun),
      })
    }
    const { payload, keys } = await prepare(head, now)
    const staged = { payload, signatures: [], reason, by: actor.name, at: new Date(now).toISOString() }
    const made = descriptionOf(trust, gun, staged, now)
    if (new Set(made.own.keys.map(({ keyId }) => keyId)).size < made.own.threshold) {
      throw new TrustError('INVALID_PARAMETERS', `clients would refuse this root of ${gun}`, {
        hint: `its root certificates must be valid now, and name ${gun} or a prefix of it and *`,
      })
    }
    return [{ ...draft(actor, gun, staged, 'staged'), kind: keys.length > 0 ? 'key' : 'record', keys }, made]
  })
}

/**
 * Adds signatures to the staged root.
 *
 * @throws TrustError NOT_FOUND; INVALID_PARAMETERS for a signature that no root key made over exactly this root
 */
export async function signStagedRoot(
  trust: Trust,
  gun: Gun,
  signatures: readonly EncodedSignature[],
  actor: Actor,
): Promise<StagedRootDescription> {
  return changeWithResult(trust, gun, async (head, now) => {
    const staged = stagedRoot(trust, gun) ?? notStaged(gun)
    const previous = currentRoot(trust, gun, head)
    const root = rootOf(staged)
    const keys = new Map([
      ...(previous === undefined ? [] : rootKeys(previous, gun, undefined).keys),
      ...rootKeys(root, gun, now).keys,
    ])
    for (const { keyid, method, sig } of signatures) {
      const key = keys.get(keyid)
      const valid = key && verifySignature(key, method, Buffer.from(sig, 'base64'), root.metadata.message())
      if (valid !== true) {
        throw new TrustError(
          'INVALID_PARAMETERS',
          `not a signature of the staged root of ${gun} by a root key: ${keyid}`,
          {
            hint: `was it made over another root? "countersign root show ${shellQuoted(gun)} --out FILE" writes this one`,
          },
        )
      }
    }
    const signed = withSignatures(staged, signatures)
    return [draft(actor, gun, signed, 'signed'), descriptionOf(trust, gun, signed, now)]
  })
}

/** Discards the staged root. Keeps keys made for it, for owners who ask for the next key. @throws TrustError NOT_FOUND */
export async function discardStagedRoot(trust: Trust, gun: Gun, actor: Actor): Promise<void> {
  await change(trust, gun, async () => {
    const records = withoutStagedRoot(trust, gun, 'discarded')
    return records.length === 0 ? notStaged(gun) : { kind: 'record', actor, records }
  })
}

function draft(actor: Actor, gun: Gun, value: StagedRoot, action: 'staged' | 'signed'): Draft {
  return { kind: 'record', actor, records: [{ kind: 'staged-root', name: gun, value, action }] }
}
