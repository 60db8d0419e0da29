import { signerOf } from '../custody.ts'
import type { Settings } from '../settings/schema.ts'
import { FileSigner } from '../signing/file-signer.ts'
import { Keyring, type SharedKeyring } from '../signing/keyring.ts'
import type { RoutedSigner } from '../signing/routed-signer.ts'
import type { Channel } from './channel.ts'
import type { MainAnswers } from './messages.ts'
import { RemoteToken } from './remote-token.ts'

/** Returns the signer of a thread beside the main one: it opens keys in files here, and uses those in the token there. */
export function remoteSignerFor(settings: Settings, keyring: SharedKeyring, main: Channel<MainAnswers>): RoutedSigner {
  const { pkcs11 } = settings.signers
  const files = new Keyring(keyring)
  return signerOf(
    settings,
    { signer: (algorithm) => new FileSigner(files, algorithm) },
    pkcs11 === undefined ? undefined : new RemoteToken(main, pkcs11.keyAlgorithm),
  )
}
