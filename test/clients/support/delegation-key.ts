import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { runProgram, succeeded } from './tools.ts'

export type KeyKind = 'ecdsa' | 'rsa'

/** Makes a key pair as for `notary delegation add`: PEM files of a private key and its certificate. */
export async function delegationKey(directory: string, kind: KeyKind): Promise<{ certificate: string; key: string }> {
  const name = join(directory, randomUUID())
  const [key, certificate] = [`${name}.key`, `${name}.crt`]
  const make = (...args: string[]): Promise<unknown> => runProgram('openssl', args, {}).then(succeeded)
  if (kind === 'ecdsa') await make('ecparam', '-name', 'prime256v1', '-genkey', '-noout', '-out', key)
  else await make('genrsa', '-traditional', '-out', key, '2048')
  await make(
    'req',
    '-new',
    '-x509',
    '-sha256',
    '-key',
    key,
    '-subj',
    '/CN=delegate',
    '-days',
    '365',
    '-out',
    certificate,
  )
  return { certificate, key }
}
