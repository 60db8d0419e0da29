import { generateKeyPairSync, type KeyPairKeyObjectResult } from 'node:crypto'
import { calculateJwkThumbprint } from 'jose'
import { libtrustId } from '../../src/access/certificate-keys.ts'
import { issueCertificate } from '../support/certificate.ts'
import { forge, keySetOf } from './token-forge.ts'

/** One entry of `access`. */
export interface Entry {
  readonly type: string
  readonly name: string
  readonly actions: readonly string[]
}

/** A token service, as docs/ACCESS.md names them: its settings, and tokens of its form. */
export interface ServiceTokens {
  readonly name: string
  readonly issuer: string
  readonly service: string
  /** Content of the file for this setting. */
  readonly keys: readonly [setting: 'certificateBundleFile' | 'jwksFile', content: string]
  /** @param subject empty: anonymous @param now milliseconds since 1970 */
  readonly make: (subject: string, access: readonly Entry[], now: number) => string
}

const DAY = 86_400_000

/** Returns the services, each with a key of its own. @param now milliseconds since 1970 */
export async function tokenServices(now: number): Promise<ServiceTokens[]> {
  const [harbor, v3, keycloak, portus, quay] = [rsa(), rsa(), rsa(), rsa(), rsa()]
  const ec = generateKeyPairSync('ec', { namedCurve: 'P-384' })
  const thumbprint = await calculateJwkThumbprint(v3.publicKey.export({ format: 'jwk' }))
  const acme = { issuer: 'Acme auth server', service: 'notary.example.com' }
  const dockerAuth = (alg: string, kid: string, key: KeyPairKeyObjectResult) =>
    making(acme, { typ: 'JWT', alg, kid }, key, (sub, access, { iat }) => {
      return { sub, nbf: iat - 10, iat, exp: iat + 900, jti: '5577006791947779410', access }
    })
  const harborRules = { issuer: 'harbor-token-issuer', service: 'harbor-notary' }
  const keycloakRules = { issuer: 'https://sso.example.com/realms/r', service: 'docker' }
  const portusRules = { issuer: 'portus.example.com', service: 'registry.example.com' }
  const quayRules = { issuer: 'quay', service: 'trust.example.com' }
  return [
    {
      name: 'Harbor',
      ...harborRules,
      keys: bundle(harbor, now),
      make: making(harborRules, { alg: 'RS256', kid: idOf(harbor), typ: 'JWT' }, harbor, (sub, access, { iat }) => {
        // Go writes an empty list as null, and leaves an empty subject out.
        const shown = { ...(sub === '' ? {} : { sub }), access: access.length === 0 ? null : access }
        return { ...shown, exp: iat + 1800, nbf: iat, iat, jti: 'Yqm3cLpGxLSV1xAH' }
      }),
    },
    { name: 'docker_auth', ...acme, keys: bundle(ec, now), make: dockerAuth('ES384', idOf(ec), ec) },
    { name: 'docker_auth for registry 3', ...acme, keys: bundle(v3, now), make: dockerAuth('RS256', thumbprint, v3) },
    {
      name: 'Keycloak',
      ...keycloakRules,
      keys: bundle(keycloak, now),
      make: making(
        keycloakRules,
        { alg: 'RS256', typ: 'JWT', kid: idOf(keycloak) },
        keycloak,
        (sub, access, { iat }) => {
          return { exp: iat + 300, nbf: iat, iat, jti: '1', sub, typ: 'Bearer', azp: 'docker', access }
        },
      ),
    },
    {
      name: 'Portus',
      ...portusRules,
      keys: bundle(portus, now),
      make: making(portusRules, { kid: idOf(portus), alg: 'RS256' }, portus, (sub, access, { iat }) => {
        return { sub: sub === '' ? null : sub, iat, nbf: iat - 5, exp: iat + 300, jti: '1', access }
      }),
    },
    {
      name: 'Quay',
      ...quayRules,
      keys: ['jwksFile', JSON.stringify(keySetOf({ lr2fYtMdZ8XM3N2ZLJrPNXlM: quay }))],
      make: making(
        quayRules,
        { alg: 'RS256', kid: 'lr2fYtMdZ8XM3N2ZLJrPNXlM', typ: 'JWT' },
        quay,
        (sub, access, { iat }) => {
          const context = { version: 2, entity_kind: 'user', entity_reference: null, 'com.apostille.root': '$disabled' }
          return { nbf: iat, iat, exp: iat + 3600, sub: sub === '' ? '(anonymous)' : sub, access, context }
        },
      ),
    },
  ]
}

function rsa(): KeyPairKeyObjectResult {
  return generateKeyPairSync('rsa', { modulusLength: 2048 })
}

function idOf({ publicKey }: KeyPairKeyObjectResult): string {
  return libtrustId({ spki: publicKey.export({ type: 'spki', format: 'der' }) })
}

function bundle({ publicKey, privateKey }: KeyPairKeyObjectResult, now: number): ServiceTokens['keys'] {
  // As Harbor's, it may have ended: its key is known by id.
  const life = { notBefore: now - 2 * DAY, notAfter: now - DAY }
  return [
    'certificateBundleFile',
    issueCertificate({ commonName: '', publicKey, signer: privateKey, ca: true, ...life }),
  ]
}

function making(
  { issuer, service }: Pick<ServiceTokens, 'issuer' | 'service'>,
  header: { readonly alg: string; readonly kid: string; readonly typ?: string },
  { privateKey }: KeyPairKeyObjectResult,
  claims: (subject: string, access: readonly Entry[], at: { readonly iat: number }) => object,
): ServiceTokens['make'] {
  return (subject, access, now) => {
    const all = { iss: issuer, aud: service, ...claims(subject, access, { iat: Math.floor(now / 1000) }) }
    return forge(JSON.stringify(header), JSON.stringify(all), header.alg, privateKey)
  }
}
