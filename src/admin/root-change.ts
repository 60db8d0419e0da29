import { z } from 'zod'
import {
  prepareFirstRoot,
  prepareRotation,
  type PreparedRoot,
  type RootAuthority,
} from '../repository/roots/prepare.ts'
import { inOrder, newKeysText } from '../repository/roots/rotated-roles.ts'
import type { Trust } from '../repository/trust.ts'
import type { Head } from '../store/store.ts'
import type { Gun } from '../tuf/gun.ts'
import { HELD_ROLES } from '../tuf/role.ts'
import { keyText } from './inputs.ts'

/** Most root keys of one repository: more people do not sign together. */
const ROOT_KEYS_MAX = 16

/** The root keys from now on. */
const authority = {
  certificates: z
    .array(keyText)
    .min(1)
    .max(ROOT_KEYS_MAX)
    .meta({ description: 'certificates of the root keys, PEM in base64, as root names them' }),
  threshold: z
    .number()
    .int()
    .min(1)
    .max(ROOT_KEYS_MAX)
    .default(1)
    .meta({ description: 'how many root keys must sign' }),
}
const heldRoles = z.array(z.enum(HELD_ROLES)).max(HELD_ROLES.length)

/** What the next root changes: it is the first one, has other root keys, or gives roles new keys of the server. */
export const changeInput = z.discriminatedUnion('what', [
  z.strictObject({ what: z.literal('create'), ...authority }),
  z.strictObject({
    what: z.literal('root'),
    ...authority,
    roles: heldRoles
      .default([])
      .transform(inOrder)
      .meta({ description: 'roles that get new keys of the server in the same root' }),
  }),
  z.strictObject({ what: z.literal('keys'), roles: heldRoles.min(1).transform(inOrder) }),
])
type RootChange = z.output<typeof changeInput>

/** Prepares the root of a change. @throws TrustError as `prepareFirstRoot` and `prepareRotation` do */
export function prepareChange(
  trust: Trust,
  gun: Gun,
  head: Head | undefined,
  now: number,
  change: RootChange,
): Promise<PreparedRoot> {
  if (change.what === 'create') return prepareFirstRoot(trust, gun, head, now, authorityOf(change))
  return prepareRotation(trust, gun, head, now, change.roles, change.what === 'root' ? authorityOf(change) : undefined)
}

function authorityOf({ certificates, threshold }: Exclude<RootChange, { what: 'keys' }>): RootAuthority {
  return { certificates: certificates.map((text) => ({ keytype: 'ecdsa-x509', public: text })), threshold }
}

/** Returns why a root is staged, for the journal and for those who sign it. */
export function reasonOf(change: RootChange): string {
  if (change.what === 'create') return 'a new repository'
  const keys = change.roles.length === 0 ? '' : newKeysText(change.roles)
  if (change.what === 'keys') return keys
  const root = 'other root keys or certificates'
  return keys === '' ? root : `${root}, and ${keys}`
}
