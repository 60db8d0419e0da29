import type { World } from '../../src/admin/operation.ts'
import { publishRoot, signRoot, stageNextRoot } from '../../src/admin/roots.ts'
import { signaturesBy } from '../../src/cli/root/signatures.ts'
import { issueRootCertificate } from '../../src/signing/root-certificate.ts'
import { makeRootKey } from '../../src/signing/root-key.ts'
import { parseGun } from '../../src/tuf/gun.ts'
import { TEST_ACTOR } from './local-trust.ts'

/** Makes a repository in which the server signs everything but the roots. */
export async function createSignedByServer(world: World, name: string, key = makeRootKey()): Promise<void> {
  const gun = parseGun(name)
  const { public: certificate } = await issueRootCertificate(key, name, world.trust.now())
  const change = { what: 'create' as const, certificates: [certificate], threshold: 1 }
  const staged = await stageNextRoot.run(world, { gun, change }, TEST_ACTOR)
  await signRoot.run(world, { gun, signatures: signaturesBy(key, staged) }, TEST_ACTOR)
  await publishRoot.run(world, { gun }, TEST_ACTOR)
}
