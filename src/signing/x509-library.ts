import type * as X509 from '@peculiar/x509'

/**
 * The library that issues certificates, loaded when one is to be issued: that takes as long as half of a start, and
 * most starts need none.
 */
export async function x509Library(): Promise<typeof X509> {
  // `@peculiar/x509` injects its dependencies by metadata, and fails to load where this has not been loaded before.
  await import('reflect-metadata')
  const x509 = await import('@peculiar/x509')
  x509.cryptoProvider.set(globalThis.crypto)
  return x509
}
