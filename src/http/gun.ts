import { TrustError } from '../errors.ts'
import { mustBeUnder, parseGun, type Gun } from '../tuf/gun.ts'
import type { Context, Wiring } from './state.ts'

/**
 * Returns the repository that a route names, checked against grammar and configured prefixes (wire spec §2.1).
 *
 * @returns undefined for a name that no repository here can have: the response is that of a path without a route
 */
export function gunOf(ctx: Context, wiring: Wiring): Gun | undefined {
  try {
    return gunOfUpload(ctx, wiring)
  } catch (error) {
    if (error instanceof TrustError && error.code === 'INVALID_GUN') return undefined
    throw error
  }
}

/** Does the same for uploads and keys, where the client learns of a bad name. @throws TrustError INVALID_GUN */
export function gunOfUpload(ctx: Context, { settings }: Wiring): Gun {
  const gun = parseGun(ctx.params?.['gun'] ?? '')
  ctx.state.gun = gun
  mustBeUnder(gun, settings.gunPrefixes)
  return gun
}
