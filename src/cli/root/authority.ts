import type { RootKey } from '../../admin/root-keys.ts'
import { TrustError } from '../../errors.ts'
import { keysText, rolesText } from '../../repository/roots/rotated-roles.ts'
import type { RotationPlan } from '../../repository/roots/rotation-plan.ts'
import { canonicalKeyId } from '../../tuf/keys/key.ts'
import type { BaseRole } from '../../tuf/role.ts'
import { SERVER_MANAGED } from './asked-roles.ts'
import { isLasting } from './keyring.ts'
import { rootKeyNamed, sealedHereFirst } from './known-keys.ts'

/** Options for a repository's root keys from now on. */
export interface AuthorityOptions {
  readonly rootKey?: string[]
  readonly rootThreshold?: number
  readonly renew?: true
}

/** Root keys from now on, and how many of them must sign. */
export interface NextAuthority {
  readonly keys: readonly RootKey[]
  readonly threshold: number
}

/** True if any option was given. @throws TrustError INVALID_PARAMETERS if root is none of the roles */
export function hasAuthorityOptions(
  roles: readonly BaseRole[],
  { rootKey, rootThreshold, renew }: AuthorityOptions,
): boolean {
  const said = rootKey !== undefined || rootThreshold !== undefined || renew !== undefined
  if (!said || roles.includes('root')) return said
  const text = `--root-key, --root-threshold and --renew say nothing about ${rolesText(roles) || SERVER_MANAGED}`
  throw new TrustError('INVALID_PARAMETERS', text, { hint: 'these options are only for: key rotate GUN root' })
}

/**
 * Says what is done to roles. With `renew`, the root keys stay and get new certificates.
 *
 * @param verbs for certificates and for keys: `['Renewing', 'Rotating']`
 */
export function workText(
  roles: readonly BaseRole[],
  renew: true | undefined,
  [renewing, rotating]: readonly [string, string],
): string {
  if (renew !== true) return `${rotating} ${keysText(roles)}`
  const others = roles.filter((role) => role !== 'root')
  const certificates = `${renewing} the root certificates`
  return others.length === 0 ? certificates : `${certificates} and ${rotating.toLowerCase()} ${keysText(others)}`
}

/**
 * Returns which root keys a repository should have: others or the same again, with the threshold as before unless
 * given.
 *
 * @param records of all root keys that have a name here
 * @throws TrustError INVALID_PARAMETERS, NOT_FOUND
 */
export function nextAuthority(
  records: readonly RootKey[],
  { signers, threshold: before }: RotationPlan,
  { rootKey = [], rootThreshold, renew }: AuthorityOptions,
): NextAuthority {
  if (renew !== undefined && rootKey.length > 0) {
    throw new TrustError('INVALID_PARAMETERS', 'use either --root-key, for other keys, or --renew, for the same keys')
  }
  if (renew === undefined && rootKey.length === 0) {
    throw new TrustError('INVALID_PARAMETERS', 'choose the root keys to use from now on', {
      hint: '--root-key NAME for other keys ("countersign root create NAME"), --renew for new certificates of the same keys',
    })
  }
  const keys =
    renew === undefined
      ? [...new Set(rootKey)].map((name) => rootKeyNamed(records, name))
      : keysWithIds(records, signers)
  const threshold = rootThreshold ?? before
  mustReachThreshold(threshold, keys.length)
  return { keys, threshold }
}

/**
 * Returns the certificate in force of a root key that stays, so that the key is not needed for a new one: it may be
 * offline.
 *
 * @param certificates in force, as a plan has them
 * @returns undefined if the key needs a new certificate: it has none yet, one that ends too soon, or `renew` asks for it
 */
export function keptCertificate(
  { certificates }: Pick<RotationPlan, 'certificates'>,
  { keyId }: Pick<RootKey, 'keyId'>,
  renew: true | undefined,
): string | undefined {
  if (renew !== undefined) return undefined
  return certificates.find(
    (text) => canonicalKeyId({ keytype: 'ecdsa-x509', public: text }) === keyId && isLasting(text),
  )
}

/** Checks the threshold before any passphrase is asked for. @throws TrustError INVALID_PARAMETERS */
export function mustReachThreshold(threshold: number, keys: number): void {
  if (threshold <= keys) return
  throw new TrustError('INVALID_PARAMETERS', `the threshold ${threshold} exceeds the number of keys, ${keys}`, {
    hint: 'name more root keys, or set --root-threshold',
  })
}

/** Returns the keys with these ids, each sealed here if possible rather than offline. */
function keysWithIds(records: readonly RootKey[], signers: readonly string[]): RootKey[] {
  const sorted = sealedHereFirst(records)
  return [...new Set(signers)].map((id) => {
    const record = sorted.find(({ keyId }) => keyId === id)
    if (record !== undefined) return record
    throw new TrustError('INVALID_PARAMETERS', `the root key ${id} is not here`, {
      hint: 'whoever has it renews its certificate: notary key rotate GUN root; or "countersign root import" it first',
    })
  })
}
