import { damageIn, TrustError } from '../errors.ts'
import { signerUses } from '../repository/signers/uses.ts'
import type { Trust } from '../repository/trust.ts'
import { shellQuoted, type Gun } from '../tuf/gun.ts'

/**
 * Returns warnings about repositories that still trust keys that the signer gives up: only those who sign targets can
 * end that. Also warns where targets name none of its remaining keys: nothing can be signed there any more.
 *
 * @param given keys that the signer gives up
 * @param left keys that it keeps
 */
export async function stillTrustedWarnings(
  trust: Trust,
  name: string,
  given: readonly string[],
  left: readonly string[],
): Promise<string[]> {
  // Mostly there is no such signer, so nothing to look for.
  if (given.length === 0) return []
  const found = await signerUses(trust, [...given, ...left]).catch((error: unknown) => damageIn(error))
  if (found instanceof TrustError) return [`cannot tell which repositories trust ${name}: ${found.message}`]
  const { uses, damaged } = found
  const untold = damaged.map((gun) => `${gun} is damaged: cannot tell whether it trusts ${name}`)
  const told = [...Map.groupBy(uses, ({ gun }) => gun)].flatMap(([gun, those]) => {
    const keyIds = new Set(those.flatMap((use) => use.keyIds))
    const here = those.some((use) => use.here)
    const { add, end } = commandsFor(gun, name, here)
    const warnings = given
      .filter((keyId) => keyIds.has(keyId))
      .map((keyId) => `${gun} still trusts ${keyId}; ${end(keyId)}`)
    if (left.length === 0 || left.some((keyId) => keyIds.has(keyId))) return warnings
    return [`${gun} does not have the new key: nothing can be signed there until ${add}`, ...warnings]
  })
  return [...untold, ...told]
}

/** @param here the server signs targets */
function commandsFor(gun: Gun, name: string, here: boolean): { add: string; end: (keyId: string) => string } {
  const repository = shellQuoted(gun)
  if (here) {
    return {
      add: `it is added: countersign delegation add ${repository} ${name}`,
      end: (keyId) => `to end that: countersign delegation remove ${repository} ${name} ${keyId}`,
    }
  }
  return {
    add: `its owner adds it: docker trust signer add --key ${name}.pem ${name} ${repository}`,
    end: (keyId) => `its owner can end that: notary delegation purge -p ${repository} --key ${keyId}`,
  }
}
