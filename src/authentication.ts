import { X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { createAccess, type Access } from './access/access.ts'
import type { PasswordCheck } from './access/passwords.ts'
import { remoteKeys } from './access/remote-keys.ts'
import { certificateKeys, keySetKeys } from './access/token-keys.ts'
import { tokenMaker, type TokenSigningKey } from './access/token-maker.ts'
import type { Directory } from './access/user.ts'
import type { FindKey, TokenRules } from './access/web-token.ts'
import { fileError, TrustError } from './errors.ts'
import type { Log } from './repository/trust.ts'
import type { Settings } from './settings/schema.ts'

/** What a TLS listener needs to ask clients for certificates; a client without one is served all the same. */
interface ClientCertificates {
  readonly ca: string
  readonly requestCert: true
  readonly rejectUnauthorized: false
}

interface Parts {
  readonly tokenKey: () => Promise<TokenSigningKey>
  readonly directory: Directory
  readonly passwords: PasswordCheck
  /** Milliseconds since 1970. */
  readonly now: () => number
  readonly log: Log
}

/** How people and programs are recognised, as the settings say. @throws TrustError BAD_SETTINGS, BAD_KEYS */
export async function accessOf({ access }: Settings, parts: Parts): Promise<Access> {
  const { tokenKey, directory, passwords, now, log } = parts
  const { mode, service, tokenLifeSeconds, clientCertificates } = access
  const users = new Map(clientCertificates?.users.map((pair) => pair.split('=') as [string, string]))
  return createAccess({
    directory,
    now,
    passwords,
    maker: mode === 'built-in' ? tokenMaker(await tokenKey(), service, tokenLifeSeconds) : undefined,
    external: mode === 'external' ? await externalRules(access, log) : undefined,
    userOfCertificate: (commonName) => (users.size === 0 ? commonName : users.get(commonName)),
  })
}

async function externalRules(access: Settings['access'], log: Log): Promise<TokenRules> {
  const { issuer = '', service } = access
  return { issuer, service, findKey: await externalKeys(access, log) }
}

async function externalKeys(access: Settings['access'], log: Log): Promise<FindKey> {
  const { jwksFile, jwksUrl, certificateBundleFile } = access
  if (jwksUrl !== undefined) {
    return remoteKeys(jwksUrl, (reason) => log.warn({ url: jwksUrl, reason }, 'the key set cannot be fetched'))
  }
  if (jwksFile !== undefined) return keySetKeys(await readSetting(jwksFile, 'access.jwksFile'), jwksFile)
  const path = certificateBundleFile ?? ''
  return certificateKeys(await readSetting(path, 'access.certificateBundleFile'), path)
}

/** @returns undefined if the settings ask for no client certificates @throws TrustError BAD_SETTINGS */
export async function clientCertificatesOf({ access }: Settings): Promise<ClientCertificates | undefined> {
  const path = access.clientCertificates?.caFile
  if (path === undefined) return undefined
  const ca = (await readSetting(path, 'access.clientCertificates.caFile')).toString('latin1')
  const blocks = ca.match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g) ?? []
  if (blocks.length === 0) refuse(`${path} holds no PEM certificate`)
  // TLS would leave them out without a word, and then know nobody.
  if (!blocks.every(isCertificate)) refuse(`${path} holds something that is no certificate`)
  return { ca, requestCert: true, rejectUnauthorized: false }
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

async function readSetting(path: string, setting: string): Promise<Buffer> {
  return readFile(path).catch((cause: unknown) => {
    throw fileError('BAD_SETTINGS', `cannot read ${path}`, cause, `check the setting ${setting}`)
  })
}
