import type * as X509 from '@peculiar/x509'

/**
 * Loads the library that issues certificates. Loaded on demand, since that takes as long as half of a start, and most
 * starts issue none.
 */
export async function x509Library(): Promise<typeof X509> {
  // `@peculiar/x509` fails to load unless `reflect-metadata`, which its dependency injection needs, is loaded first.
  await import('reflect-metadata')
  const x509 = await import('@peculiar/x509')
  x509.cryptoProvider.set(globalThis.crypto)
  return x509
}
