import type { Signer } from '../../src/signing/signer.ts'

/** The same signer, but for what is given. Its methods are of an object, so that they cannot be spread. */
export function alteredSigner(signer: Signer, changes: Partial<Pick<Signer, 'create' | 'sign'>>): Signer {
  return {
    makes: (...key) => signer.makes(...key),
    readiness: () => signer.readiness(),
    create: (...whose) => signer.create(...whose),
    sign: (...what) => signer.sign(...what),
    ...changes,
  }
}
