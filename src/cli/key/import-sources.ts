import { signedRole } from '../../admin/import.ts'
import { TrustError } from '../../errors.ts'
import { namesInKeyFile, openKeyFile } from '../../signing/key-file.ts'
import { openSignerRow } from '../../signing/signer-row.ts'
import { parseGun } from '../../tuf/gun.ts'
import { isDelegation } from '../../tuf/role.ts'
import { readGiven, readGivenText } from '../given-file.ts'
import { secretFrom } from '../terminal/ask-secret.ts'
import { parseSignerRows } from './signer-database.ts'

/** The options of `key import` that name a source. */
export interface SourceOptions {
  file?: string
  signerDatabase?: string
  passphraseFile?: string
}

/** A private key that was made elsewhere. */
export interface ImportSource {
  readonly gun: string
  readonly role: string
  /** The id that the source states; undefined: none. */
  readonly keyId: string | undefined
  /** @returns PKCS#8 DER. @throws TrustError */
  readonly open: () => Buffer
}

/**
 * Reads private keys that were made elsewhere: a key file, or the rows of a Notary signer. Asks for the passphrase; each
 * key is opened later, so that one that cannot be opened does not hold up the others.
 *
 * @throws TrustError BAD_SETTINGS for arguments that do not fit together, or an unreadable file; INVALID_PARAMETERS for
 * rows that are no export
 */
export async function sourcesOf(
  gun: string | undefined,
  role: string | undefined,
  options: SourceOptions,
): Promise<ImportSource[]> {
  const { file, signerDatabase, passphraseFile } = options
  const secret = (what: string): Promise<string> => secretFrom(passphraseFile, what, '--passphrase-file')
  if (signerDatabase !== undefined && file === undefined && gun === undefined) {
    const rows = parseSignerRows(await readGivenText(signerDatabase))
    const passphrase = await secret("signer's passphrase")
    return rows.map((row) => ({ ...row, open: () => openSignerRow(row.jwe, row.algorithm, passphrase) }))
  }
  if (file === undefined || gun === undefined || role === undefined || signerDatabase !== undefined) {
    throw new TrustError('BAD_SETTINGS', 'use either GUN ROLE --file FILE, or --signer-database FILE')
  }
  const pem = String(await readGiven(file))
  const only = (open: () => Buffer): ImportSource[] => [{ gun, role, keyId: undefined, open }]
  try {
    mustFit(pem, gun, role)
  } catch (error) {
    // Nobody should type a passphrase for a key that is refused anyway.
    return only(() => {
      throw error
    })
  }
  const passphrase = pem.includes('ENCRYPTED') ? await secret(`passphrase of ${file}`) : undefined
  return only(() => openKeyFile(pem, passphrase))
}

/** @throws TrustError INVALID_GUN, INVALID_ROLE; WRONG_STATE for root, or if the file says that it is another key */
function mustFit(pem: string, gun: string, role: string): void {
  parseGun(gun)
  signedRole(role)
  const named = namesInKeyFile(pem)
  // The file of a delegation's key names its signer, or nothing useful.
  if (isDelegation(role) || ((named.gun ?? gun) === gun && (named.role ?? role) === role)) return
  throw new TrustError(
    'WRONG_STATE',
    `the file says that it is the ${named.role ?? role} key of ${named.gun ?? 'no repository'}`,
  )
}
