import type { pinRepository } from '../../admin/repositories.ts'
import { shellQuoted } from '../../tuf/gun.ts'
import { counted, daysLeft, short, table } from '../terminal/print.ts'

/** What clients may pin of one repository. */
export type Pin = Awaited<ReturnType<typeof pinRepository.run>>

/** Formats `repo pin` of one repository as text. @param now milliseconds since 1970 */
export function pinForPeople({ gun, version, threshold, keys }: Pin, now: number): string {
  const rows = keys.map(({ certificateId, keyId, keytype, certificateEnds }) => [
    certificateId,
    `${short(keyId)} ${keytype}`,
    daysLeft(certificateEnds, now),
  ])
  const command = `countersign repo pin ${shellQuoted(gun)} --for`
  return [
    `${gun}: root version ${version}; ${threshold} of ${counted(keys.length, 'key', 'keys')} must sign`,
    '',
    table([['CERTIFICATE ID', 'KEY', 'CERTIFICATE ENDS'], ...rows], '  '),
    '',
    'To have clients start from this root, not from the first one that they see:',
    table(
      [
        [`${command} docker`, `root.json, for ~/.docker/trust/tuf/${gun}/metadata`],
        [`${command} notary`, 'trust_pinning, for ~/.notary/config.json'],
        [`${command} connaisseur`, 'trustRoots, for a validator in its configuration'],
      ],
      '  ',
    ),
  ].join('\n')
}

/** Formats `repo pin --all` as text. */
export function pinsForPeople(pins: readonly Pin[]): string {
  const rows = pins.map(({ gun, version, threshold, keys }) => [
    gun,
    String(version),
    `${threshold} of ${keys.map(({ certificateId }) => certificateId).join(', ')}`,
  ])
  return table([['REPOSITORY', 'ROOT', 'CERTIFICATE IDS'], ...rows])
}

/** Returns the member of notary's configuration that pins these repositories, and refuses all others. */
export function notaryPinning(pins: readonly Pin[]): object {
  const certs = pins.map(({ gun, keys }) => [gun, keys.map(({ certificateId }) => certificateId)] as const)
  return { trust_pinning: { disable_tofu: true, certs: Object.fromEntries(certs) } }
}

/**
 * Returns the trust roots of a Connaisseur validator, YAML, each key once. A single one is named `default`, which
 * policies need not name.
 */
export function connaisseurRoots(pins: readonly Pin[]): string {
  const keys = new Map(pins.flatMap((pin) => pin.keys.map(({ keyId, publicKey }) => [keyId, publicKey] as const)))
  const roots = [...keys].flatMap(([keyId, publicKey]) => [
    `- name: ${keys.size === 1 ? 'default' : short(keyId)}`,
    '  key: |',
    ...publicKey
      .trim()
      .split('\n')
      .map((line) => `    ${line}`),
  ])
  return ['trustRoots:', ...roots].join('\n')
}
