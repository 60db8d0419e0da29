import type { Signer } from '../../src/signing/signer.ts'

/** Returns the same signer with some methods replaced. Signers have methods of a class, so spreading would lose them. */
export function alteredSigner(signer: Signer, changes: Partial<Pick<Signer, 'create' | 'sign'>>): Signer {
  return {
    makes: (...key) => signer.makes(...key),
    readiness: () => signer.readiness(),
    create: (...whose) => signer.create(...whose),
    sign: (...what) => signer.sign(...what),
    ...changes,
  }
}
