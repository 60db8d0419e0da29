import { signerOf } from '../custody.ts'
import type { Settings } from '../settings/schema.ts'
import { FileSigner } from '../signing/file-signer.ts'
import { Keyring, type SharedKeyring } from '../signing/keyring.ts'
import type { RoutedSigner } from '../signing/routed-signer.ts'
import { FarToken } from './far-token.ts'
import type { Line } from './line.ts'
import type { MainAnswers } from './messages.ts'

/** Returns the signer of a thread beside the main one: it opens keys in files here, and uses those in the token there. */
export function signerFor(settings: Settings, keyring: SharedKeyring, main: Line<MainAnswers>): RoutedSigner {
  const { pkcs11 } = settings.signers
  const files = new Keyring(keyring)
  return signerOf(
    settings,
    { signer: (algorithm) => new FileSigner(files, algorithm) },
    pkcs11 === undefined ? undefined : new FarToken(main, pkcs11.keyAlgorithm),
  )
}
