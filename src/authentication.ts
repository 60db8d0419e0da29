import { X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { createAccess, type Access } from './access/access.ts'
import { certificateKeys } from './access/certificate-keys.ts'
import { keySetKeys } from './access/key-set.ts'
import type { PasswordCheck } from './access/passwords.ts'
import { remoteKeys } from './access/remote-keys.ts'
import { tokenMaker, type TokenSigningKey } from './access/token-maker.ts'
import type { Directory } from './access/user.ts'
import type { FindKey } from './access/web-token.ts'
import { fileError, TrustError } from './errors.ts'
import type { Log } from './log/log.ts'
import { pemCertificates } from './pem-certificates.ts'
import type { Settings } from './settings/schema.ts'

/** How people and programs are recognised, and how that can change without a restart. */
export interface Recognition {
  readonly access: Access
  /**
   * Uses these keys of the external token service from now on.
   *
   * @throws TrustError BAD_SETTINGS; nothing has changed then
   */
  useTokenKeys(bytes: Uint8Array): void
}

interface Parts {
  /** The result of `readTokenKeys`. */
  readonly tokenKeys: Uint8Array | undefined
  /** The key of the built-in token endpoint. */
  readonly tokenKey: TokenSigningKey | undefined
  readonly directory: Directory
  readonly passwords: PasswordCheck
  /** Milliseconds since 1970. */
  readonly now: () => number
  readonly log: Log
  readonly metrics: {
    /** Called after each fetch of `access.jwksUrl`. */
    keySetFetched(succeeded: boolean): void
  }
}

/** Sets up how people and programs are recognised, as the settings say. @throws TrustError BAD_SETTINGS */
export function accessOf({ access }: Settings, parts: Parts): Recognition {
  const { tokenKey, directory, passwords, now } = parts
  const { mode, issuer = '', service, tokenLifeSeconds, clientCertificates } = access
  const users = new Map(clientCertificates?.users.map((pair) => pair.split('=') as [string, string]))
  let findKey = mode === 'external' ? externalKeys(access, parts.tokenKeys, parts) : undefined
  const recognised = createAccess({
    directory,
    now,
    passwords,
    maker: tokenKey && tokenMaker(tokenKey, service, tokenLifeSeconds),
    external: findKey && { issuer, service, findKey: (header, when) => findKey?.(header, when) },
    userOfCertificate: (commonName) => (users.size === 0 ? commonName : users.get(commonName)),
  })
  return {
    access: recognised,
    useTokenKeys(bytes) {
      findKey = externalKeys(access, bytes, parts)
    },
  }
}

/**
 * Reads the file with the keys of an external token service.
 *
 * @returns undefined if the settings name none
 * @throws TrustError BAD_SETTINGS if it cannot be read
 */
export async function readTokenKeys({ access }: Settings): Promise<Uint8Array | undefined> {
  const { mode, jwksFile, certificateBundleFile } = access
  if (mode !== 'external') return undefined
  if (jwksFile !== undefined) return readSetting(jwksFile, 'access.jwksFile')
  if (certificateBundleFile === undefined) return undefined
  return readSetting(certificateBundleFile, 'access.certificateBundleFile')
}

function externalKeys(
  access: Settings['access'],
  bytes: Uint8Array | undefined,
  { log, metrics }: Pick<Parts, 'log' | 'metrics'>,
): FindKey {
  const { jwksFile, jwksUrl, certificateBundleFile } = access
  if (jwksUrl !== undefined) {
    return remoteKeys(jwksUrl, (reason) => {
      metrics.keySetFetched(reason === undefined)
      if (reason !== undefined) log.warn({ url: jwksUrl, reason }, 'the key set cannot be fetched')
    })
  }
  if (bytes === undefined) throw new Error('the keys of the token service were not read')
  if (jwksFile !== undefined) return keySetKeys(bytes, jwksFile)
  return certificateKeys(bytes, certificateBundleFile ?? '')
}

/**
 * Returns the authorities of client certificates, PEM; undefined: the settings ask for none.
 *
 * @throws TrustError BAD_SETTINGS
 */
export async function clientAuthoritiesOf({ access }: Settings): Promise<string | undefined> {
  const path = access.clientCertificates?.caFile
  if (path === undefined) return undefined
  const ca = (await readSetting(path, 'access.clientCertificates.caFile')).toString('latin1')
  const certificates = pemCertificates(ca)
  if (certificates.length === 0) refuse(`${path} holds no PEM certificate`)
  // TLS would silently leave out invalid ones, and then recognise nobody.
  if (!certificates.every(isCertificate)) refuse(`${path} holds something that is not a certificate`)
  return ca
}

function isCertificate(pem: string): boolean {
  try {
    return new X509Certificate(pem).raw.length > 0
  } catch {
    return false
  }
}

function refuse(text: string): never {
  throw new TrustError('BAD_SETTINGS', text, { hint: 'check the setting access.clientCertificates.caFile' })
}

/** @throws TrustError BAD_SETTINGS */
async function readSetting(path: string, setting: string): Promise<Buffer> {
  return readFile(path).catch((cause: unknown) => {
    throw fileError('BAD_SETTINGS', `cannot read ${path}`, cause, `check the setting ${setting}`)
  })
}
