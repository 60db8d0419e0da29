import { z } from 'zod'
import { TrustError } from '../errors.ts'
import { importKey } from '../repository/import-key.ts'
import { parseRole, type SignedRole } from '../tuf/role.ts'
import { keyId as keyIdAnswer } from './answers.ts'
import { gunInput, hexInput, keyText } from './inputs.ts'
import { operation } from './operation.ts'

/**
 * The command line, which reads the keys directory, seals the private key with this server's keyring first: it crosses
 * no connection unencrypted.
 */
export const importSealedKey = operation({
  name: 'key.import',
  method: 'POST',
  path: '/repositories/:gun/keys',
  summary: "Import a key that was made elsewhere and sealed with this server's keyring (see countersign key import).",
  action: 'admin',
  input: z.strictObject({
    gun: gunInput,
    role: z.string().transform(signedRole).meta({ description: 'targets, snapshot, timestamp or targets/…' }),
    keyId: hexInput,
    keytype: z.enum(['ed25519', 'ecdsa']),
    public: keyText.meta({ description: 'public key, base64, as metadata carries it' }),
    sealed: keyText.meta({ description: 'private key, sealed with the keyring, base64' }),
  }),
  answer: () =>
    z.object({
      gun: z.string(),
      role: z.string(),
      keyId: keyIdAnswer,
      changed: z
        .boolean()
        .meta({ description: "whether the key is new to the repository's role; false: the role had it already" }),
      named: z.enum(['key', 'certificate', 'none']).meta({
        description:
          'how the current metadata names it for this role. key: the server signs with it from now on, unless the role is a delegation: there it signs with the keys of its signers only; certificate: only inside a certificate, under another id, so it cannot; none: it waits for metadata that names it',
      }),
    }),
  async run({ trust, keyFault }, { gun, role, keyId, keytype, public: text, sealed: encoded }, actor) {
    const sealed = Buffer.from(encoded, 'base64')
    if ((await keyFault({ gun, role, keyId }, sealed, 'sign')) !== undefined) {
      throw new TrustError('INVALID_PARAMETERS', `the ${role} key ${keyId} of ${gun} does not open`, {
        hint: "it must be sealed with this server's keyring: run countersign key import with the server's settings",
      })
    }
    const imported = await importKey(trust, gun, role, { keyId, keytype, public: text, sealed }, actor)
    return { gun, role, ...imported }
  },
})

/** Parses a role whose key the server can hold. @throws TrustError INVALID_ROLE, WRONG_STATE for root */
export function signedRole(name: string): SignedRole {
  const role = parseRole(name)
  if (role !== 'root') return role
  throw new TrustError('WRONG_STATE', 'a root key is not kept with the keys that the server signs with', {
    hint: 'it has a passphrase of its own: see "countersign root --help"',
  })
}
