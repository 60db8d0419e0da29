import { matches } from './access/permission.ts'
import type { Settings } from './settings/schema.ts'
import type { Keys } from './signing/keys-directory.ts'
import { Pkcs11Signer } from './signing/pkcs11/signer.ts'
import { RoutedSigner, type TokenSigner } from './signing/routed-signer.ts'
import { isDelegation, type Role } from './tuf/role.ts'

type Rule = Settings['signers']['rules'][number]

/** Returns a signer that keeps each key where the first rule for its role and repository says; by default, sealed here. */
export function signerOf(settings: Settings, keys: Pick<Keys, 'signer'>, token = tokenOf(settings)): RoutedSigner {
  const { keyAlgorithm, signers } = settings
  return new RoutedSigner(
    keys.signer(keyAlgorithm),
    token,
    (gun, role) => signers.rules.find((rule) => namesRole(rule, role) && matches(rule.gun, gun))?.signer ?? 'file',
  )
}

/** Returns the signer for the token; undefined: the settings name none. */
export function tokenOf({ signers: { pkcs11 } }: Settings): TokenSigner | undefined {
  return pkcs11 === undefined ? undefined : new Pkcs11Signer(pkcs11)
}

function namesRole({ role: named }: Rule, role: Role): boolean {
  return named === '*' || named === role || (named === 'targets/*' && isDelegation(role))
}
