import { isLoopback } from '../loopback.ts'
import { NO_AUTHENTICATION_WORDS, type Settings } from './schema.ts'
import { isEverywhere } from './server-names.ts'

/** Returns a sentence for each set of settings that are valid one by one, but not together. */
export function contradictions(settings: Omit<Settings, 'anchorFile'>): string[] {
  const mistakes: string[] = []
  const { listen, tls, signers, access, webhook } = settings
  if (!isLoopback(listen.host) && listen.withoutAuthentication === undefined && access.mode === 'none') {
    mistakes.push(
      `listen.host: "${listen.host}" is not loopback and there is no authentication: anybody who reaches it could ` +
        `write and delete; listen on localhost, set access.mode, ` +
        `or set listen.withoutAuthentication to "${NO_AUTHENTICATION_WORDS}"`,
    )
  }
  if (access.mode === 'external') {
    if (access.realm === undefined) mistakes.push('access.realm: required for an external token service')
    if (access.issuer === undefined) mistakes.push('access.issuer: required for an external token service')
    const sources = [access.jwksFile, access.jwksUrl, access.certificateBundleFile]
    if (sources.filter((each) => each !== undefined).length !== 1) {
      mistakes.push('access.jwksFile, access.jwksUrl and access.certificateBundleFile: give one of them')
    }
  }
  if (access.mode === 'built-in' && access.realm === undefined && isEverywhere(listen.host)) {
    mistakes.push(
      `access.realm: "${listen.host}" is not a name that clients can use; set it to https://NAME:${listen.port}/auth/token`,
    )
  }
  if (webhook.url !== undefined && webhook.secretFile === undefined) {
    mistakes.push('webhook.secretFile: required with webhook.url, since messages are signed')
  }
  if (webhook.url?.startsWith('http:') === true && !isLoopback(new URL(webhook.url).hostname)) {
    mistakes.push('webhook.url: must be https, unless it is on this machine')
  }
  if ((tls.certificateFile === undefined) !== (tls.keyFile === undefined)) {
    mistakes.push('tls.certificateFile and tls.keyFile: give both or neither')
  }
  if (tls.certificateFile !== undefined && tls.names.length > 0) {
    mistakes.push('tls.names: only for the certificate that the server makes; omit it with tls.certificateFile')
  }
  if (settings.admin.public !== undefined && settings.threads !== undefined && settings.threads > 1) {
    mistakes.push('threads: the admin API on the public listener is answered by one thread; omit threads')
  }
  const { pkcs11, rules } = signers
  if (pkcs11 === undefined && rules.some(({ signer }) => signer === 'pkcs11')) {
    mistakes.push('signers.rules: there is a rule for pkcs11, but no signers.pkcs11')
  }
  if (pkcs11 !== undefined && (pkcs11.tokenLabel === undefined) === (pkcs11.slot === undefined)) {
    mistakes.push('signers.pkcs11.tokenLabel and signers.pkcs11.slot: give one of them')
  }
  return mistakes
}
